/* ext/fn_vector.c - embed_json, embed_csv, embed_distance: plain functions over
 * the BLOBs that embed() gives. */
#include "ext/connection.h"
#include "ext/functions.h"
#include "nn/vector.h"

enum { TEXT_MAX = 1 << 30 }; /* bytes; SQLite's own limit is lower */

static bool is_null(sqlite3_value *value)
{
    return sqlite3_value_type(value) == SQLITE_NULL;
}

static s3e_rc read_vector(
    struct s3e_span *out, sqlite3_value *value, struct s3e_err *err)
{
    static const char *const types[] = {[SQLITE_INTEGER] = "an INTEGER",
        [SQLITE_FLOAT] = "a REAL",
        [SQLITE_TEXT] = "TEXT"};
    const int type = sqlite3_value_type(value);
    if (type != SQLITE_BLOB) {
        return s3e_fail(err, S3E_E_INPUT,
            "a vector is a BLOB of float32, as embed() gives it, not %s",
            types[type]);
    }
    *out = s3e_value_span(value);
    return S3E_OK;
}

static s3e_rc write_text(
    struct s3e_buf *text, sqlite3_value *value, bool json, struct s3e_err *err)
{
    struct s3e_span v = {0};
    s3e_rc rc = read_vector(&v, value, err);
    if (!rc) {
        rc = s3e_vector_check(v, err);
    }
    if (rc) {
        return rc;
    }
    s3e_buf_add_str(text, json ? "[" : "");
    s3e_vector_write(text, v);
    s3e_buf_add_str(text, json ? "]" : "");
    return s3e_buf_check(text, "the text of the vector", err);
}

static void result_text(
    sqlite3_context *ctx, const char *function, sqlite3_value *value, bool json)
{
    struct s3e_err err;
    struct s3e_buf text = S3E_BUF(TEXT_MAX);
    const s3e_rc rc = write_text(&text, value, json, &err);
    if (rc) {
        s3e_result_fail(ctx, s3e_connection_of(ctx), function, NULL,
            S3E_OF_STATEMENT, rc, &err);
    } else {
        sqlite3_result_text64(ctx, (const char *)text.ptr, text.len,
            SQLITE_TRANSIENT, SQLITE_UTF8);
        if (json) {
            sqlite3_result_subtype(ctx, S3E_SUBTYPE_JSON);
        }
    }
    s3e_buf_free(&text);
}

void s3e_fn_embed_json(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    if (!is_null(argv[0])) {
        result_text(ctx, "embed_json", argv[0], true);
    }
}

void s3e_fn_embed_csv(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    if (!is_null(argv[0])) {
        result_text(ctx, "embed_csv", argv[0], false);
    }
}

static s3e_rc read_metric(
    enum s3e_metric *out, sqlite3_value *value, struct s3e_err *err)
{
    static const char *const names[] = {[S3E_METRIC_COSINE] = "cosine",
        [S3E_METRIC_L2] = "l2",
        [S3E_METRIC_DOT] = "dot"};
    const char *text = (const char *)sqlite3_value_text(value);
    for (int m = S3E_METRIC_COSINE; text && m <= S3E_METRIC_DOT; m++) {
        if (sqlite3_stricmp(text, names[m]) == 0) {
            *out = (enum s3e_metric)m;
            return S3E_OK;
        }
    }
    return s3e_fail(err, S3E_E_INPUT,
        "the metric is 'cosine', 'l2' or 'dot', not %s%.40s%s", text ? "'" : "",
        text ? text : "NULL", text ? "'" : "");
}

void s3e_fn_embed_distance(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct s3e_err err;
    struct s3e_span a = {0}, b = {0};
    enum s3e_metric metric = S3E_METRIC_COSINE;
    double distance = 0;
    s3e_rc rc = argc > 2 ? read_metric(&metric, argv[2], &err) : S3E_OK;
    if (!rc && (is_null(argv[0]) || is_null(argv[1]))) {
        return;
    }
    if (!rc) {
        rc = read_vector(&a, argv[0], &err);
    }
    if (!rc) {
        rc = read_vector(&b, argv[1], &err);
    }
    if (!rc) {
        rc = s3e_vector_distance(&distance, metric, a, b, &err);
    }
    if (rc) {
        s3e_result_fail(ctx, s3e_connection_of(ctx), "embed_distance", NULL,
            S3E_OF_STATEMENT, rc, &err);
    } else {
        sqlite3_result_double(ctx, distance);
    }
}
