/* ext/vt_objects.c - s3_objects(target [, options]): the objects of a bucket,
 * prefix, glob or folder, in key order while pages are still arriving. */
#include "base/mem.h"
#include "ext/connection.h"
#include "ext/cursor.h"
#include "ext/functions.h"
#include "ext/options.h"
#include "ext/plan.h"

static const char table_name[] = "s3_objects";

struct table {
    sqlite3_vtab base;
    struct s3e_connection *conn; /* counted */
};

struct cursor {
    sqlite3_vtab_cursor base;
    struct s3e_cursor open;
    char *target, *options; /* as they were given; NULL: not */
};

static struct table *table_of(sqlite3_vtab *vtab)
{
    return (struct table *)vtab;
}

static struct cursor *cursor_of(sqlite3_vtab_cursor *cursor)
{
    return (struct cursor *)cursor;
}

static int fail(struct cursor *cursor, s3e_rc rc, const struct s3e_err *err)
{
    sqlite3_vtab *vtab = cursor->base.pVtab;
    return s3e_vtab_fail(vtab, table_of(vtab)->conn, table_name, rc, err);
}

/* ---- the table ---- */

/* Whether the database compares texts as UTF-8 bytes, as S3 does; one that is
 * still empty may yet become UTF-16. */
static bool compares_bytes(sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;
    bool utf8 = false;
    if (sqlite3_prepare_v2(db, "PRAGMA encoding", -1, &stmt, NULL) ==
            SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        utf8 = sqlite3_stricmp(
                   (const char *)sqlite3_column_text(stmt, 0), "UTF-8") == 0;
    }
    (void)sqlite3_finalize(stmt);
    return utf8;
}

static int declare(sqlite3 *db)
{
    struct s3e_buf sql = S3E_BUF(4096);
    s3e_columns_declare(&sql);
    s3e_buf_add_byte(&sql, '\0');
    int rc = sql.rc == S3E_OK ? sqlite3_declare_vtab(db, (const char *)sql.ptr)
                              : SQLITE_NOMEM;
    s3e_buf_free(&sql);
    if (rc == SQLITE_OK) {
        rc = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
    }
    return rc;
}

static int connect_table(sqlite3 *db, void *p, int argc,
    const char *const *argv, sqlite3_vtab **out, char **message)
{
    const struct s3e_module_aux *aux = p;
    struct table *table;
    (void)argc, (void)argv, (void)message;
    const int rc = declare(db);
    if (rc != SQLITE_OK) {
        return rc;
    }
    if (!S3E_NEW(table)) {
        return SQLITE_NOMEM;
    }
    table->conn = s3e_connection_ref(aux->conn);
    *out = &table->base;
    return SQLITE_OK;
}

static int disconnect(sqlite3_vtab *vtab)
{
    struct table *table = table_of(vtab);
    s3e_connection_unref(table->conn);
    s3e_free(table);
    return SQLITE_OK;
}

static int best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
    return s3e_plan_make(vtab, info, compares_bytes(table_of(vtab)->conn->db));
}

/* ---- the cursor ---- */

static int open_cursor(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
    struct cursor *cursor;
    (void)vtab;
    if (!S3E_NEW(cursor)) {
        return SQLITE_NOMEM;
    }
    *out = &cursor->base;
    return SQLITE_OK;
}

static void clear(struct cursor *cursor)
{
    s3e_cursor_close(&cursor->open);
    s3e_free(cursor->target);
    s3e_free(cursor->options);
    cursor->target = NULL;
    cursor->options = NULL;
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    struct cursor *cursor = cursor_of(base);
    clear(cursor);
    s3e_free(cursor);
    return SQLITE_OK;
}

static void read_value(
    struct s3e_value *out, enum s3e_column column, sqlite3_value *value)
{
    const int type = column == S3E_COL_SIZE ? sqlite3_value_numeric_type(value)
                                            : sqlite3_value_type(value);
    *out = (struct s3e_value){.type = S3E_VALUE_BLOB};
    if (type == SQLITE_NULL) {
        out->type = S3E_VALUE_NULL;
    } else if (type == SQLITE_INTEGER) {
        out->type = S3E_VALUE_INTEGER;
        out->integer = sqlite3_value_int64(value);
    } else if (type == SQLITE_FLOAT) {
        out->type = S3E_VALUE_REAL;
        out->real = sqlite3_value_double(value);
    } else if (type == SQLITE_TEXT) {
        out->type = S3E_VALUE_TEXT;
        out->text = s3e_value_span(value);
    }
}

static s3e_rc add_value(
    struct s3e_where *filter, sqlite3_value *value, struct s3e_err *err)
{
    struct s3e_value copy;
    read_value(&copy, filter->column, value);
    return s3e_where_add(filter, &copy, err);
}

static s3e_rc add_filter(struct s3e_scan *scan,
    const struct s3e_plan_term *term, sqlite3_value *arg, struct s3e_err *err)
{
    struct s3e_where filter = {
        .column = term->column, .op = term->op, .exact = term->exact};
    s3e_rc rc = S3E_OK;
    if (term->use == S3E_PLAN_FILTER_IN) {
        sqlite3_value *value = NULL;
        int step = sqlite3_vtab_in_first(arg, &value);
        while (rc == S3E_OK && step == SQLITE_OK && value) {
            rc = add_value(&filter, value, err);
            step = sqlite3_vtab_in_next(arg, &value);
        }
        if (rc == S3E_OK && step != SQLITE_OK && step != SQLITE_DONE) {
            rc = s3e_fail(err, S3E_E_NOMEM, "out of memory");
        }
    } else {
        rc = add_value(&filter, arg, err);
    }
    if (rc != S3E_OK) {
        s3e_where_deinit(&filter);
        return rc;
    }
    return s3e_scan_add(scan, &filter, err);
}

static s3e_rc keep(char **out, sqlite3_value *arg, struct s3e_err *err)
{
    const struct s3e_span text = s3e_value_span(arg);
    if (!text.ptr) {
        return S3E_OK;
    }
    *out = s3e_strdup(text);
    return *out ? S3E_OK : s3e_fail(err, S3E_E_NOMEM, "out of memory");
}

static s3e_rc read_target(
    struct cursor *cursor, sqlite3_value *arg, struct s3e_err *err)
{
    struct s3e_scan *scan = &cursor->open.scan;
    if (sqlite3_value_type(arg) == SQLITE_NULL) {
        return s3e_fail(err, S3E_E_INPUT, "the target is NULL");
    }
    s3e_rc rc = keep(&cursor->target, arg, err);
    if (rc == S3E_OK) {
        rc = s3e_target_parse(&scan->target, s3e_value_span(arg), err);
    }
    if (rc == S3E_OK) {
        scan->prefix = s3e_strdup(s3e_span_str(scan->target.prefix));
        rc =
            scan->prefix ? S3E_OK : s3e_fail(err, S3E_E_NOMEM, "out of memory");
    }
    return rc;
}

static s3e_rc read_options(
    struct cursor *cursor, sqlite3_value *arg, struct s3e_err *err)
{
    const struct s3e_option options[] = {
        {"markers", S3E_OPTION_BOOL, &cursor->open.scan.markers}};
    const s3e_rc rc = keep(&cursor->options, arg, err);
    return rc == S3E_OK ? s3e_options_read(options, 1, s3e_value_span(arg), err)
                        : rc;
}

static void read_limit(
    struct s3e_scan *scan, const struct s3e_plan_term *term, sqlite3_value *arg)
{
    const int64_t rows = sqlite3_value_int64(arg);
    if (term->use == S3E_PLAN_OFFSET) {
        scan->offset = rows > 0 ? (uint64_t)rows : 0;
    } else if (rows >= 0) {
        scan->limited = true;
        scan->limit = (uint64_t)rows;
    }
}

static s3e_rc read_argument(struct cursor *cursor,
    const struct s3e_plan_term *term, sqlite3_value *arg, struct s3e_err *err)
{
    switch (term->use) {
    case S3E_PLAN_TARGET:
        return read_target(cursor, arg, err);
    case S3E_PLAN_OPTIONS:
        return read_options(cursor, arg, err);
    case S3E_PLAN_LIMIT:
    case S3E_PLAN_OFFSET:
        read_limit(&cursor->open.scan, term, arg);
        return S3E_OK;
    case S3E_PLAN_FILTER:
    case S3E_PLAN_FILTER_IN:
        break;
    }
    return add_filter(&cursor->open.scan, term, arg, err);
}

static s3e_rc open_scan(
    struct cursor *cursor, struct s3e_connection *conn, struct s3e_err *err)
{
    struct s3e_scan *scan = &cursor->open.scan;
    s3e_rc rc = s3e_connection_open(conn, &scan->store, &scan->target, err);
    if (rc == S3E_OK) {
        scan->account = scan->target.scheme == S3E_SCHEME_S3
                            ? s3e_account_ref(conn->account)
                            : NULL;
        rc = s3e_cursor_open(&cursor->open, conn, err);
    }
    return rc;
}

/* The target comes first among the arguments, before filters narrow it. */
static s3e_rc read_arguments(struct cursor *cursor, const char *plan, int argc,
    sqlite3_value **argv, struct s3e_err *err)
{
    s3e_rc rc = S3E_OK;
    for (int i = 0; i < argc && rc == S3E_OK; i++) {
        const struct s3e_plan_term term = s3e_plan_term(plan, i);
        rc = read_argument(cursor, &term, argv[i], err);
    }
    if (rc == S3E_OK && !cursor->target) {
        rc = s3e_fail(err, S3E_E_INPUT,
            "of which bucket? Write s3_objects('bucket'), "
            "s3_objects('s3://bucket/prefix') or s3_objects('file:folder')");
    }
    return rc;
}

static int filter(sqlite3_vtab_cursor *base, int number, const char *plan,
    int argc, sqlite3_value **argv)
{
    struct cursor *cursor = cursor_of(base);
    struct s3e_err err;
    clear(cursor);
    cursor->open.scan.ordered = number == 1;
    s3e_rc rc = read_arguments(cursor, plan, argc, argv, &err);
    if (rc == S3E_OK) {
        rc = open_scan(cursor, table_of(base->pVtab)->conn, &err);
    }
    if (rc != S3E_OK) {
        clear(cursor);
        return fail(cursor, rc, &err);
    }
    return SQLITE_OK;
}

static int next(sqlite3_vtab_cursor *base)
{
    struct cursor *cursor = cursor_of(base);
    struct s3e_err err;
    const s3e_rc rc = s3e_cursor_next(&cursor->open, &err);
    return rc == S3E_OK ? SQLITE_OK : fail(cursor, rc, &err);
}

static int eof(sqlite3_vtab_cursor *base)
{
    return s3e_cursor_object(&cursor_of(base)->open) == NULL;
}

/* ---- columns ---- */

static void result_text(sqlite3_context *ctx, struct s3e_span text)
{
    if (text.ptr) {
        sqlite3_result_text64(ctx, (const char *)text.ptr, text.len,
            SQLITE_TRANSIENT, SQLITE_UTF8);
    }
}

static s3e_rc make_uri(
    char **out, const struct cursor *cursor, struct s3e_err *err)
{
    const struct s3e_store *store = cursor->open.scan.store;
    struct s3e_buf uri = S3E_BUF(65536);
    store->kind->uri(store, &uri, s3e_cursor_object(&cursor->open)->key);
    *out = s3e_buf_take(&uri);
    const s3e_rc rc = s3e_buf_check(&uri, "a uri", err);
    s3e_buf_free(&uri);
    return rc;
}

static int column_uri(struct cursor *cursor, sqlite3_context *ctx)
{
    struct s3e_err err;
    char *uri = NULL;
    const s3e_rc rc = make_uri(&uri, cursor, &err);
    if (rc != S3E_OK) {
        return fail(cursor, rc, &err);
    }
    sqlite3_result_text(ctx, uri, -1, s3e_free);
    return SQLITE_OK;
}

static void column_body(struct cursor *cursor, sqlite3_context *ctx)
{
    struct s3e_blob *blob = NULL;
    struct s3e_err err;
    const s3e_rc rc = s3e_reader_get(cursor->open.rows, &blob, &err);
    if (rc == S3E_OK) {
        s3e_result_blob(ctx, blob);
        return;
    }
    struct s3e_err no_uri;
    char *uri = NULL;
    (void)make_uri(&uri, cursor, &no_uri);
    s3e_result_fail(ctx, cursor->open.conn, "s3_objects.body", uri,
        S3E_OF_OBJECT, rc, &err);
    s3e_free(uri);
}

static void column_error(struct cursor *cursor, sqlite3_context *ctx)
{
    struct s3e_blob *blob = NULL;
    struct s3e_err err;
    const s3e_rc rc = s3e_reader_get(cursor->open.rows, &blob, &err);
    s3e_blob_unref(blob);
    if (rc == S3E_OK) {
        return;
    }
    if (s3e_error_is_object(rc)) {
        result_text(ctx, s3e_span_str(err.msg));
        return;
    }
    s3e_result_fail(ctx, cursor->open.conn, "s3_objects.error", NULL,
        S3E_OF_STATEMENT, rc, &err);
}

static void column_listed(
    struct cursor *cursor, sqlite3_context *ctx, enum s3e_column column)
{
    struct s3e_value value = {0};
    s3e_column_value(&value, column, s3e_cursor_object(&cursor->open));
    if (value.type == S3E_VALUE_INTEGER) {
        sqlite3_result_int64(ctx, value.integer);
    } else if (value.type == S3E_VALUE_TEXT) {
        result_text(ctx, value.text);
    }
}

static int read_column(
    sqlite3_vtab_cursor *base, sqlite3_context *ctx, int index)
{
    struct cursor *cursor = cursor_of(base);
    const enum s3e_column column = (enum s3e_column)index;
    if (s3e_column_is_listed(column)) {
        column_listed(cursor, ctx, column);
        return SQLITE_OK;
    }
    switch (column) {
    case S3E_COL_URI:
        return column_uri(cursor, ctx);
    case S3E_COL_TARGET:
        result_text(ctx, s3e_span_str(cursor->target));
        break;
    case S3E_COL_OPTIONS:
        result_text(ctx, s3e_span_str(cursor->options));
        break;
    case S3E_COL_BUCKET:
        result_text(ctx, s3e_span_str(cursor->open.scan.target.bucket));
        break;
    case S3E_COL_BODY:
        column_body(cursor, ctx);
        break;
    case S3E_COL_ERROR:
        column_error(cursor, ctx);
        break;
    default:
        break;
    }
    return SQLITE_OK;
}

/* Eponymous only: no CREATE VIRTUAL TABLE. The key is the primary key, so that
 * there is no rowid to ask for. */
static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    (void)base;
    *out = 0;
    return SQLITE_OK;
}

const sqlite3_module s3e_vt_objects = {
    .iVersion = 0,
    .xConnect = connect_table,
    .xBestIndex = best_index,
    .xDisconnect = disconnect,
    .xOpen = open_cursor,
    .xClose = close_cursor,
    .xFilter = filter,
    .xNext = next,
    .xEof = eof,
    .xColumn = read_column,
    .xRowid = rowid,
};
