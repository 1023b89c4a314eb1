/* ext/where.h - one term of WHERE, a comparison of a listed column, decided
 * before a body is fetched. It drops a row only where SQLite would: what
 * depends on an affinity that SQLite does not tell us is left to SQLite.
 *
 * Thread  any; immutable once made. */
#ifndef S3E_EXT_WHERE_H
#define S3E_EXT_WHERE_H

#include "ext/columns.h"

enum s3e_where_op {
    S3E_OP_EQ, /* any of the operands: IN too */
    S3E_OP_NE,
    S3E_OP_LT,
    S3E_OP_LE,
    S3E_OP_GT,
    S3E_OP_GE,
    S3E_OP_IS,
    S3E_OP_IS_NOT,
    S3E_OP_IS_NULL, /* no operand */
    S3E_OP_NOT_NULL,
    S3E_OP_GLOB,
    S3E_OP_LIKE,
    S3E_WHERE_OPS
};

struct s3e_operand {
    struct s3e_value value;
    char *text; /* owned: what value.text borrows; NULL for other types */
};

/* Zero state: all zeros; s3e_where_deinit. */
struct s3e_where {
    enum s3e_column column; /* a listed one */
    enum s3e_where_op op;
    bool exact; /* of a TEXT column: the operands are literals, without numeric
                   affinity, so that texts compare as texts */
    struct s3e_operand *operands; /* owned */
    size_t num_operands;
};

void s3e_where_deinit(struct s3e_where *where);

/* Copies `value` to the operands. Errors: S3E_E_NOMEM. */
S3E_MUST_CHECK s3e_rc s3e_where_add(struct s3e_where *where,
    const struct s3e_value *value, struct s3e_err *err);

/* False where SQLite would drop the row. */
bool s3e_where_keeps(
    const struct s3e_where *where, const struct s3e_object *object);

#endif
