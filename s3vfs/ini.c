#include "s3vfs/ini.h"

#include "base/mem.h"

#include <strings.h>

enum { ROWS_MAX = 10000 };

/* A section by itself (key.ptr NULL) or a key; spans into the text. */
struct row {
    struct s3e_span section, group, key, value;
};

/* Where the reader stands. */
struct reader {
    struct s3e_buf *rows;
    const char *name;
    unsigned line;
    size_t indent;           /* of the last section or key */
    struct s3e_span section; /* ptr NULL before the first */
    struct row last;         /* the key that further lines may belong to */
    bool open;               /* there is one */
    bool grouped;            /* it has keys of its own */
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static struct s3e_span trim(struct s3e_span s)
{
    while (s.len && is_blank(s.ptr[0])) {
        s = s3e_span_from(s, 1);
    }
    while (s.len && is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

static s3e_rc malformed(
    const struct reader *r, const char *why, struct s3e_err *err)
{
    return s3e_fail(
        err, S3E_E_FORMAT, "%s: line %u: %s", r->name, r->line, why);
}

static void add_row(struct reader *r, const struct row *row)
{
    s3e_buf_add(r->rows, (struct s3e_span){(const void *)row, sizeof *row});
}

/* Cuts `line` at the first of the bytes in `marks`; false where there is none,
 * or nothing before it. */
static bool split(struct s3e_span line, const char *marks, struct s3e_span *key,
    struct s3e_span *value)
{
    size_t at = 0;
    while (at < line.len && !strchr(marks, line.ptr[at])) {
        at++;
    }
    if (at == line.len) {
        return false;
    }
    *key = trim((struct s3e_span){line.ptr, at});
    *value = trim(s3e_span_from(line, at + 1));
    return key->len > 0;
}

static s3e_rc read_section(
    struct reader *r, struct s3e_span line, struct s3e_err *err)
{
    size_t end = line.len - 1;
    while (end > 0 && line.ptr[end] != ']') {
        end--;
    }
    if (end < 2) {
        return malformed(r, "a [ without name and ]", err);
    }
    r->section = trim((struct s3e_span){line.ptr + 1, end - 1});
    r->open = false;
    add_row(r, &(struct row){.section = r->section});
    return S3E_OK;
}

static s3e_rc read_key(
    struct reader *r, struct s3e_span line, struct s3e_err *err)
{
    struct row row = {.section = r->section};
    if (!r->section.ptr) {
        return malformed(r, "a key before the first [section]", err);
    }
    if (!split(line, "=:", &row.key, &row.value)) {
        return malformed(r, "neither [section], key = value nor comment", err);
    }
    add_row(r, &row);
    r->last = row;
    r->open = true;
    r->grouped = row.value.len == 0;
    return S3E_OK;
}

/* A line further in than the key above it: a key of that group, or the rest of
 * that key's value. */
static s3e_rc read_more(
    struct reader *r, struct s3e_span line, struct s3e_err *err)
{
    struct row row = r->last;
    if (r->grouped) {
        row.group = r->last.key;
        if (!split(line, "=", &row.key, &row.value)) {
            return malformed(r, "not a key = value of its group", err);
        }
    } else {
        row.value.len = (size_t)(line.ptr + line.len - row.value.ptr);
    }
    add_row(r, &row);
    return S3E_OK;
}

static s3e_rc read_line(
    struct reader *r, struct s3e_span raw, struct s3e_err *err)
{
    const struct s3e_span line = trim(raw);
    if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';') {
        return S3E_OK;
    }
    const size_t indent = (size_t)(line.ptr - raw.ptr);
    if (r->open && indent > r->indent) {
        return read_more(r, line, err);
    }
    r->indent = indent;
    return line.ptr[0] == '[' ? read_section(r, line, err)
                              : read_key(r, line, err);
}

static s3e_rc read_lines(
    struct reader *r, struct s3e_span rest, struct s3e_err *err)
{
    s3e_rc rc = S3E_OK;
    if (s3e_span_starts(rest, S3E_LIT("\xef\xbb\xbf"))) {
        rest = s3e_span_from(rest, 3);
    }
    while (rc == S3E_OK && rest.len) {
        const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
        const size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
        r->line++;
        rc = read_line(r, (struct s3e_span){rest.ptr, len}, err);
        rest = s3e_span_from(rest, end ? len + 1 : len);
    }
    return rc ? rc : s3e_buf_check(r->rows, r->name, err);
}

s3e_rc s3e_ini_parse(struct s3e_ini *out, const char *name,
    struct s3e_span text, struct s3e_err *err)
{
    *out = (struct s3e_ini){.rows = S3E_BUF(ROWS_MAX * sizeof(struct row))};
    struct reader reader = {.rows = &out->rows, .name = name};
    if (text.len > S3E_INI_MAX) {
        return s3e_fail(err, S3E_E_LIMIT, "%s: %zu bytes; at most %d are read",
            name, text.len, S3E_INI_MAX);
    }
    if (text.len && memchr(text.ptr, '\0', text.len)) {
        return s3e_fail(err, S3E_E_FORMAT, "%s: a NUL byte", name);
    }
    out->text = s3e_strdup(text);
    if (!out->text) {
        return s3e_fail(err, S3E_E_NOMEM, "%s: no memory", name);
    }
    const s3e_rc rc = read_lines(&reader, s3e_span_str(out->text), err);
    if (rc) {
        s3e_ini_deinit(out);
    }
    return rc;
}

static bool same_name(struct s3e_span a, const char *b)
{
    return a.len == strlen(b) &&
           (a.len == 0 || strncasecmp((const char *)a.ptr, b, a.len) == 0);
}

bool s3e_ini_has_section(const struct s3e_ini *ini, struct s3e_span section)
{
    const struct row *rows = (const void *)ini->rows.ptr;
    for (size_t i = 0; i < ini->rows.len / sizeof *rows; i++) {
        if (!rows[i].key.ptr && s3e_span_eq(rows[i].section, section)) {
            return true;
        }
    }
    return false;
}

struct s3e_span s3e_ini_get(const struct s3e_ini *ini, struct s3e_span section,
    const char *group, const char *key)
{
    const struct row *rows = (const void *)ini->rows.ptr;
    for (size_t i = ini->rows.len / sizeof *rows; i > 0; i--) {
        const struct row *row = &rows[i - 1];
        if (row->key.ptr && same_name(row->key, key) &&
            same_name(row->group, group) &&
            s3e_span_eq(row->section, section)) {
            return row->value;
        }
    }
    return (struct s3e_span){0};
}

void s3e_ini_deinit(struct s3e_ini *ini)
{
    s3e_free_secret(ini->text);
    s3e_buf_free(&ini->rows);
    ini->text = NULL;
}
