#include "ext/where.h"

#include "base/mem.h"
#include "ext/sqlite.h"

enum { GLOB_MAX = 4096 /* bytes of a text matched here */ };

/* SQLite's three, and what only SQLite can tell. */
enum truth { FALSE_OR_NULL, TRUE, UNDECIDED };

void s3e_where_deinit(struct s3e_where *filter)
{
    for (size_t i = 0; i < filter->num_values; i++) {
        s3e_free((void *)(uintptr_t)filter->values[i].text.ptr);
    }
    s3e_free(filter->values);
    *filter = (struct s3e_where){0};
}

s3e_rc s3e_where_add(struct s3e_where *filter, const struct s3e_value *value,
    struct s3e_err *err)
{
    struct s3e_value copy = {
        .type = value->type, .integer = value->integer, .real = value->real};
    const size_t num = filter->num_values;
    if (value->type == S3E_VALUE_TEXT) {
        copy.text.ptr = (const uint8_t *)s3e_strdup(value->text);
        copy.text.len = value->text.len;
        if (!copy.text.ptr) {
            return s3e_fail(err, S3E_E_NOMEM, "out of memory");
        }
    }
    /* Room grows at powers of two. */
    if ((num & (num - 1)) == 0) {
        struct s3e_value *more =
            s3e_realloc_array(filter->values, num ? 2 * num : 1, sizeof *more);
        if (!more) {
            s3e_free((void *)(uintptr_t)copy.text.ptr);
            return s3e_fail(err, S3E_E_NOMEM, "out of memory");
        }
        filter->values = more;
    }
    filter->values[filter->num_values++] = copy;
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
    case S3E_OP_IS_NULL:
    case S3E_OP_NOT_NULL:
    case S3E_OP_MATCHES:
    case S3E_WHERE_OPS:
        break;
    }
    return UNDECIDED;
}

static enum truth matches(struct s3e_span text, const struct s3e_value *glob)
{
    char room[GLOB_MAX + 1];
    if (glob->type != S3E_VALUE_TEXT || text.len > GLOB_MAX) {
        return UNDECIDED;
    }
    memcpy(room, text.ptr, text.len);
    room[text.len] = '\0';
    return sqlite3_strglob((const char *)glob->text.ptr, room) == 0
               ? TRUE
               : FALSE_OR_NULL;
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

static enum truth compare(const struct s3e_where *filter,
    const struct s3e_value *left, const struct s3e_value *right)
{
    const bool left_null = left->type == S3E_VALUE_NULL;
    const bool right_null = right->type == S3E_VALUE_NULL;
    if (left_null || right_null) {
        return compare_null(filter->op, left_null, right_null);
    }
    if (left->type == S3E_VALUE_INTEGER) {
        return ordered(filter->op, order_integer(left->integer, right));
    }
    if (filter->op == S3E_OP_MATCHES) {
        return matches(left->text, right);
    }
    if (right->type != S3E_VALUE_TEXT ||
        (!filter->exact && is_numeric(left->text))) {
        return UNDECIDED;
    }
    return ordered(filter->op, s3e_span_cmp(left->text, right->text));
}

bool s3e_where_keeps(
    const struct s3e_where *filter, const struct s3e_object *object)
{
    struct s3e_value left = {0};
    s3e_column_value(&left, filter->column, object);
    if (filter->op == S3E_OP_IS_NULL) {
        return left.type == S3E_VALUE_NULL;
    }
    if (filter->op == S3E_OP_NOT_NULL) {
        return left.type != S3E_VALUE_NULL;
    }
    for (size_t i = 0; i < filter->num_values; i++) {
        if (compare(filter, &left, &filter->values[i]) != FALSE_OR_NULL) {
            return true;
        }
    }
    return false;
}
