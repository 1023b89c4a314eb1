#include "ext/where.h"

#include "base/mem.h"
#include "ext/sqlite.h"

enum {
    TEXT_MAX = 4096,   /* bytes of a text matched here */
    PATTERN_MAX = 1000 /* bytes of a GLOB or LIKE pattern */
};

/* SQLite's three, and what only SQLite can tell. */
enum truth { FALSE_OR_NULL, TRUE, UNDECIDED };

void s3e_where_deinit(struct s3e_where *where)
{
    for (size_t i = 0; i < where->num_operands; i++) {
        s3e_free(where->operands[i].text);
    }
    s3e_free(where->operands);
    *where = (struct s3e_where){0};
}

static s3e_rc grow(struct s3e_where *where, struct s3e_err *err)
{
    const size_t num = where->num_operands;
    /* Room doubles where it is full: at powers of two. */
    if ((num & (num - 1)) != 0) {
        return S3E_OK;
    }
    struct s3e_operand *more =
        s3e_realloc_array(where->operands, num ? 2 * num : 1, sizeof *more);
    if (!more) {
        return s3e_fail(err, S3E_E_NOMEM, "out of memory");
    }
    where->operands = more;
    return S3E_OK;
}

s3e_rc s3e_where_add(
    struct s3e_where *where, const struct s3e_value *value, struct s3e_err *err)
{
    struct s3e_operand operand = {.value = {.type = value->type,
                                      .integer = value->integer,
                                      .real = value->real}};
    s3e_rc rc = grow(where, err);
    if (rc != S3E_OK) {
        return rc;
    }
    if (value->type == S3E_VALUE_TEXT) {
        operand.text = s3e_strdup(value->text);
        operand.value.text =
            (struct s3e_span){(const uint8_t *)operand.text, value->text.len};
        if (!operand.text) {
            return s3e_fail(err, S3E_E_NOMEM, "out of memory");
        }
    }
    where->operands[where->num_operands++] = operand;
    return S3E_OK;
}

/* Whether SQLite might read the whole of `text` as a number, to compare it with
 * an operand of numeric affinity. May say yes too often. */
static bool is_numeric(struct s3e_span text)
{
    bool digit = false;
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.ptr[i];
        digit = digit || (c >= '0' && c <= '9');
        if (c == '\0' || !strchr("0123456789+-.eE \t\n\v\f\r", c)) {
            return false;
        }
    }
    return digit;
}

static int sign(double x)
{
    return (x > 0) - (x < 0);
}

/* Orders an INTEGER column (sizes are far below 2^53) and any value. */
static int order_integer(int64_t integer, const struct s3e_value *x)
{
    if (x->type == S3E_VALUE_INTEGER) {
        return (integer > x->integer) - (integer < x->integer);
    }
    return x->type == S3E_VALUE_REAL ? sign((double)integer - x->real) : -1;
}

static enum truth ordered(enum s3e_where_op op, int order)
{
    switch (op) {
    case S3E_OP_EQ:
    case S3E_OP_IS:
        return order == 0 ? TRUE : FALSE_OR_NULL;
    case S3E_OP_NE:
    case S3E_OP_IS_NOT:
        return order != 0 ? TRUE : FALSE_OR_NULL;
    case S3E_OP_LT:
        return order < 0 ? TRUE : FALSE_OR_NULL;
    case S3E_OP_LE:
        return order <= 0 ? TRUE : FALSE_OR_NULL;
    case S3E_OP_GT:
        return order > 0 ? TRUE : FALSE_OR_NULL;
    case S3E_OP_GE:
        return order >= 0 ? TRUE : FALSE_OR_NULL;
    default:
        return UNDECIDED;
    }
}

static bool is_ascii(struct s3e_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

/* What GLOB and LIKE match. How LIKE folds letters beyond ASCII is the
 * application's choice (ICU), and PRAGMA case_sensitive_like only drops more.
 */
static enum truth matches(
    enum s3e_where_op op, struct s3e_span text, const struct s3e_value *value)
{
    const char *pattern = (const char *)value->text.ptr;
    char room[TEXT_MAX + 1];
    if (value->type != S3E_VALUE_TEXT || value->text.len > PATTERN_MAX ||
        text.len > TEXT_MAX ||
        (op == S3E_OP_LIKE && !(is_ascii(text) && is_ascii(value->text)))) {
        return UNDECIDED;
    }
    memcpy(room, text.ptr, text.len);
    room[text.len] = '\0';
    const int order = op == S3E_OP_LIKE ? sqlite3_strlike(pattern, room, 0)
                                        : sqlite3_strglob(pattern, room);
    return order == 0 ? TRUE : FALSE_OR_NULL;
}

static enum truth compare_null(
    enum s3e_where_op op, bool left_null, bool right_null)
{
    if (op == S3E_OP_IS) {
        return left_null && right_null ? TRUE : FALSE_OR_NULL;
    }
    if (op == S3E_OP_IS_NOT) {
        return left_null != right_null ? TRUE : FALSE_OR_NULL;
    }
    return FALSE_OR_NULL;
}

static bool is_equality(enum s3e_where_op op)
{
    return op == S3E_OP_EQ || op == S3E_OP_NE || op == S3E_OP_IS ||
           op == S3E_OP_IS_NOT;
}

/* An operand of numeric affinity makes a text that looks like a number one, so
 * that '05' equals '5' and is less than 'a' or '+'. */
static enum truth compare(const struct s3e_where *where,
    const struct s3e_value *left, const struct s3e_value *right)
{
    const bool left_null = left->type == S3E_VALUE_NULL;
    const bool right_null = right->type == S3E_VALUE_NULL;
    if (left_null || right_null) {
        return compare_null(where->op, left_null, right_null);
    }
    if (left->type == S3E_VALUE_INTEGER) {
        return ordered(where->op, order_integer(left->integer, right));
    }
    if (where->op == S3E_OP_GLOB || where->op == S3E_OP_LIKE) {
        return matches(where->op, left->text, right);
    }
    if (right->type != S3E_VALUE_TEXT ||
        (!where->exact && is_numeric(left->text) &&
            !(is_equality(where->op) && !is_numeric(right->text)))) {
        return UNDECIDED;
    }
    return ordered(where->op, s3e_span_cmp(left->text, right->text));
}

bool s3e_where_keeps(
    const struct s3e_where *where, const struct s3e_object *object)
{
    struct s3e_value left = {0};
    s3e_column_value(&left, where->column, object);
    if (where->op == S3E_OP_IS_NULL) {
        return left.type == S3E_VALUE_NULL;
    }
    if (where->op == S3E_OP_NOT_NULL) {
        return left.type != S3E_VALUE_NULL;
    }
    for (size_t i = 0; i < where->num_operands; i++) {
        if (compare(where, &left, &where->operands[i].value) != FALSE_OR_NULL) {
            return true;
        }
    }
    return false;
}
