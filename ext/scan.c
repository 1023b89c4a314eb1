#include "ext/scan.h"

#include "base/mem.h"

void s3e_scan_deinit(struct s3e_scan *scan)
{
    for (size_t i = 0; i < scan->num_filters; i++) {
        s3e_where_deinit(&scan->filters[i]);
    }
    s3e_free(scan->filters);
    s3e_free(scan->prefix);
    s3e_free(scan->after);
    s3e_free(scan->from);
    s3e_free(scan->before);
    s3e_free(scan->upto);
    s3e_store_unref(scan->store);
    s3e_account_unref(scan->account);
    s3e_target_deinit(&scan->target);
    *scan = (struct s3e_scan){0};
}

static s3e_rc set(char **slot, struct s3e_span text, struct s3e_err *err)
{
    char *copy = s3e_strdup(text);
    if (!copy) {
        return s3e_fail(err, S3E_E_NOMEM, "out of memory");
    }
    s3e_free(*slot);
    *slot = copy;
    return S3E_OK;
}

/* Keeps the greater (`sign` 1) or lesser (-1) of the bound there is and a new
 * one. */
static s3e_rc tighten(
    char **bound, struct s3e_span value, int sign, struct s3e_err *err)
{
    if (*bound && sign * s3e_span_cmp(value, s3e_span_str(*bound)) <= 0) {
        return S3E_OK;
    }
    return set(bound, value, err);
}

/* Keys that match begin with what stands before the first *, ? or [. */
static s3e_rc narrow_to_glob(
    struct s3e_scan *scan, struct s3e_span glob, struct s3e_err *err)
{
    const struct s3e_span prefix = s3e_span_str(scan->prefix);
    size_t len = 0;
    while (len < glob.len && !strchr("*?[", glob.ptr[len])) {
        len++;
    }
    const struct s3e_span literal = {glob.ptr, len};
    if (s3e_span_starts(prefix, literal)) {
        return S3E_OK;
    }
    if (!s3e_span_starts(literal, prefix)) {
        scan->nothing = true;
        return S3E_OK;
    }
    return set(&scan->prefix, literal, err);
}

/* `only`, unless a value's affinity is SQLite's to tell. */
static void narrow_to_values(
    struct s3e_scan *scan, const struct s3e_where *filter)
{
    for (size_t i = 0; i < filter->num_operands; i++) {
        const enum s3e_value_type type = filter->operands[i].value.type;
        if (type != S3E_VALUE_TEXT && type != S3E_VALUE_NULL) {
            return;
        }
    }
    scan->only = (size_t)(filter - scan->filters) + 1;
}

/* A key that looks like a number, compared with a text that came from an
 * operand of numeric affinity, would be less than it: lower bounds drop such
 * keys rightly, upper bounds need a literal. */
static s3e_rc narrow(
    struct s3e_scan *scan, const struct s3e_where *filter, struct s3e_err *err)
{
    if (filter->op == S3E_OP_EQ || filter->op == S3E_OP_IS) {
        narrow_to_values(scan, filter);
        return S3E_OK;
    }
    if (filter->num_operands != 1 ||
        filter->operands[0].value.type != S3E_VALUE_TEXT) {
        return S3E_OK;
    }
    const bool upper = filter->op == S3E_OP_LT || filter->op == S3E_OP_LE;
    if (upper && !filter->exact) {
        return S3E_OK;
    }
    const struct s3e_span value = filter->operands[0].value.text;
    switch (filter->op) {
    case S3E_OP_GT:
        return tighten(&scan->after, value, 1, err);
    case S3E_OP_GE:
        return tighten(&scan->from, value, 1, err);
    case S3E_OP_LT:
        return tighten(&scan->before, value, -1, err);
    case S3E_OP_LE:
        return tighten(&scan->upto, value, -1, err);
    case S3E_OP_GLOB:
        return narrow_to_glob(scan, value, err);
    default:
        return S3E_OK;
    }
}

s3e_rc s3e_scan_add(
    struct s3e_scan *scan, struct s3e_where *filter, struct s3e_err *err)
{
    struct s3e_where *more =
        s3e_realloc_array(scan->filters, scan->num_filters + 1, sizeof *more);
    if (!more) {
        s3e_where_deinit(filter);
        return s3e_fail(err, S3E_E_NOMEM, "out of memory");
    }
    scan->filters = more;
    more[scan->num_filters] = *filter;
    *filter = (struct s3e_where){0};
    struct s3e_where *added = &more[scan->num_filters++];
    return added->column == S3E_COL_KEY ? narrow(scan, added, err) : S3E_OK;
}

static bool is_marker(const struct s3e_object *object)
{
    return object->size == 0 && object->key.len > 0 &&
           object->key.ptr[object->key.len - 1] == '/';
}

bool s3e_scan_keeps(
    const struct s3e_scan *scan, const struct s3e_object *object)
{
    if (!s3e_span_starts(object->key, s3e_span_str(scan->prefix)) ||
        (!scan->markers && is_marker(object)) ||
        (scan->target.glob &&
            !s3e_glob_match(s3e_span_str(scan->target.glob), object->key))) {
        return false;
    }
    for (size_t i = 0; i < scan->num_filters; i++) {
        if (!s3e_where_keeps(&scan->filters[i], object)) {
            return false;
        }
    }
    return true;
}

bool s3e_scan_is_past(const struct s3e_scan *scan, struct s3e_span key)
{
    return (scan->before &&
               s3e_span_cmp(key, s3e_span_str(scan->before)) >= 0) ||
           (scan->upto && s3e_span_cmp(key, s3e_span_str(scan->upto)) > 0);
}
