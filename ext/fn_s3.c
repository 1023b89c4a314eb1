/* ext/fn_s3.c - s3_get, s3_get_range, s3_head. */
#include "base/mem.h"
#include "ext/connection.h"
#include "ext/cursor.h"
#include "ext/functions.h"

enum {
    URI_MAX = 65536,
    JSON_MAX = 1 << 20,
    SINGLES_HINT = 20,      /* GETs one by one in a statement before the hint */
    SINGLES_SLOT = -833461, /* of sqlite3_set_auxdata: below 0 it is one for
                               the whole statement */
    SUBTYPE_JSON = 74
};

static const char hint[] =
    "over 20 objects were fetched one by one in one statement; from a list of "
    "your own, FROM s3_objects('bucket') WHERE key IN (SELECT key FROM list) "
    "fetches them side by side";

/* An object that a call named. Zero state: all zeros. */
struct object {
    struct s3e_reader *reader; /* that stands at its row; NULL: none does */
    struct s3e_store *store;   /* counted */
    char *key, *uri;
    size_t key_len;
};

static void object_deinit(struct object *object)
{
    s3e_store_unref(object->store);
    s3e_free(object->key);
    s3e_free(object->uri);
}

static struct s3e_span key_of(const struct object *object)
{
    return (struct s3e_span){(const uint8_t *)object->key, object->key_len};
}

/* ---- which object a call names ---- */

static s3e_rc set(struct object *object, struct s3e_store *store,
    struct s3e_span key, struct s3e_err *err)
{
    struct s3e_buf uri = S3E_BUF(URI_MAX);
    object->store = s3e_store_ref(store);
    object->key = s3e_strdup(key);
    object->key_len = key.len;
    store->kind->uri(store, &uri, key);
    object->uri = s3e_buf_take(&uri);
    s3e_rc rc = s3e_buf_check(&uri, "a uri", err);
    s3e_buf_free(&uri);
    if (rc == S3E_OK && !object->key) {
        rc = s3e_fail(err, S3E_E_NOMEM, "out of memory");
    }
    return rc;
}

static s3e_rc set_in_cursor(struct object *object, struct s3e_cursor *cursor,
    struct s3e_span key, struct s3e_err *err)
{
    s3e_rc rc = set(object, cursor->scan.store, key, err);
    if (rc == S3E_OK && cursor->scan.account) {
        const struct s3e_waiter waiter = s3e_connection_waiter(cursor->conn);
        rc = s3e_account_prepare(
            cursor->scan.account, waiter.stop, waiter.ctx, err);
    }
    return rc;
}

/* Looks for the object among the rows of the open cursors, now and before. */
static void find_reader(struct s3e_connection *conn, struct object *object)
{
    const struct s3e_span uri = s3e_span_str(object->uri);
    for (struct s3e_cursor *c = conn->cursors; c && !object->reader;
         c = c->next) {
        const struct s3e_span key = s3e_cursor_key_of(c, uri);
        object->reader = key.ptr ? s3e_cursor_seek(c, key) : NULL;
    }
}

static s3e_rc set_in_target(struct s3e_connection *conn, struct object *object,
    const struct s3e_target *target, struct s3e_span key, struct s3e_err *err)
{
    struct s3e_store *store = NULL;
    s3e_rc rc = s3e_connection_open(conn, &store, target, err);
    if (rc == S3E_OK) {
        rc = set(object, store, key, err);
    }
    s3e_store_unref(store);
    return rc;
}

/* `bucket` as the column of s3_objects has it: a folder begins with '/'. */
static s3e_rc set_in_bucket(struct s3e_connection *conn, struct object *object,
    struct s3e_span bucket, struct s3e_span key, struct s3e_err *err)
{
    const bool folder = s3e_span_starts(bucket, S3E_LIT("/"));
    s3e_rc rc = folder ? S3E_OK : s3e_bucket_check(bucket, err);
    if (rc != S3E_OK) {
        return rc;
    }
    struct s3e_target target = {
        .scheme = folder ? S3E_SCHEME_FILE : S3E_SCHEME_S3,
        .bucket = s3e_strdup(bucket),
        .prefix = s3e_strdup(S3E_LIT(""))};
    rc = target.bucket && target.prefix
             ? set_in_target(conn, object, &target, key, err)
             : s3e_fail(err, S3E_E_NOMEM, "out of memory");
    s3e_target_deinit(&target);
    return rc;
}

static bool same_store(const struct s3e_cursor *a, const struct s3e_cursor *b)
{
    return s3e_span_eq(s3e_buf_span(&a->base), s3e_buf_span(&b->base));
}

/* The open cursor whose row has exactly this key; NULL where none has. */
static s3e_rc find_row(const struct s3e_connection *conn,
    struct s3e_cursor **out, struct s3e_span key, struct s3e_err *err)
{
    *out = NULL;
    for (struct s3e_cursor *c = conn->cursors; c; c = c->next) {
        const struct s3e_object *row = s3e_cursor_object(c);
        if (!row || !s3e_span_eq(row->key, key)) {
            continue;
        }
        if (*out && !same_store(*out, c)) {
            return s3e_fail(err, S3E_E_INPUT,
                "'%.*s' is the key of the rows of two buckets: pass the uri "
                "instead, as in s3_get(o.uri)",
                S3E_SPAN_ARG(key));
        }
        *out = c;
    }
    return S3E_OK;
}

/* Whether the cursor gave a row with the key `text`, though it looks like a
 * uri; asks the store. */
static s3e_rc was_row(struct s3e_cursor *cursor, struct s3e_span text,
    bool *was, struct s3e_err *err)
{
    *was = false;
    if (!cursor->listed_uri || !s3e_cursor_may_have_listed(cursor, text)) {
        return S3E_OK;
    }
    const struct s3e_waiter waiter = s3e_connection_waiter(cursor->conn);
    struct s3e_op op = {.in = {.kind = S3E_OP_HEAD, .key = text}};
    const s3e_rc rc =
        s3e_store_run(cursor->scan.store, &op, waiter.stop, waiter.ctx, err);
    s3e_op_reset(&op);
    *was = rc == S3E_OK;
    return rc == S3E_E_NOTFOUND ? S3E_OK : rc;
}

/* A uri, unless it is the key of a row that an open cursor gave before: a
 * hostile bucket must not make s3_get(key) read elsewhere. */
static s3e_rc resolve_uri(struct s3e_connection *conn, struct object *object,
    struct s3e_span text, struct s3e_err *err)
{
    for (struct s3e_cursor *c = conn->cursors; c; c = c->next) {
        bool was = false;
        const s3e_rc rc = was_row(c, text, &was, err);
        if (rc != S3E_OK || was) {
            return rc != S3E_OK ? rc : set_in_cursor(object, c, text, err);
        }
    }
    if (!conn->cursors && s3e_settings_get(&conn->settings, S3E_SET_BUCKET)) {
        return s3e_fail(err, S3E_E_INPUT,
            "'%.*s' looks like a uri, and s3_config('bucket') is set: pass "
            "bucket and key, or s3_config('bucket', NULL) first",
            S3E_SPAN_ARG(text));
    }
    struct s3e_target target = {0};
    struct s3e_span key = {0};
    s3e_rc rc = s3e_uri_parse(&target, &key, text, err);
    if (rc == S3E_OK) {
        rc = set_in_target(conn, object, &target, key, err);
    }
    s3e_target_deinit(&target);
    return rc;
}

static s3e_rc resolve_key(struct s3e_connection *conn, struct object *object,
    struct s3e_span key, struct s3e_err *err)
{
    const char *bucket = s3e_settings_get(&conn->settings, S3E_SET_BUCKET);
    bool one = conn->cursors != NULL;
    for (const struct s3e_cursor *c = conn->cursors; c; c = c->next) {
        one = one && same_store(c, conn->cursors);
    }
    if (one) {
        return set_in_cursor(object, conn->cursors, key, err);
    }
    if (bucket) {
        return set_in_bucket(conn, object, s3e_span_str(bucket), key, err);
    }
    return s3e_fail(err, S3E_E_INPUT,
        "of which bucket is '%.*s'? Pass the uri, as in s3_get('s3://bucket/"
        "key'), or bucket and key, or set s3_config('bucket', 'name')",
        S3E_SPAN_ARG(key));
}

/* One argument: a row's key first, then a uri, then a key. */
static s3e_rc resolve(struct s3e_connection *conn, struct object *object,
    struct s3e_span text, struct s3e_err *err)
{
    struct s3e_cursor *cursor = NULL;
    s3e_rc rc = find_row(conn, &cursor, text, err);
    if (rc == S3E_OK && cursor) {
        rc = set(object, cursor->scan.store, text, err);
    } else if (rc == S3E_OK && s3e_uri_is(text)) {
        rc = resolve_uri(conn, object, text, err);
    } else if (rc == S3E_OK) {
        rc = resolve_key(conn, object, text, err);
    }
    if (rc == S3E_OK) {
        find_reader(conn, object);
    }
    return rc;
}

/* ---- the calls ---- */

static bool has_null(int argc, sqlite3_value **argv)
{
    for (int i = 0; i < argc; i++) {
        if (sqlite3_value_type(argv[i]) == SQLITE_NULL) {
            return true;
        }
    }
    return false;
}

/* Without a bucket nothing is missing from it. */
static bool is_missing(s3e_rc rc, const struct s3e_err *err)
{
    return rc == S3E_E_NOTFOUND && strcmp(err->code, "NoSuchBucket") != 0;
}

static s3e_rc run(struct s3e_connection *conn, const struct object *object,
    struct s3e_op *op, struct s3e_err *err)
{
    const struct s3e_waiter waiter = s3e_connection_waiter(conn);
    const struct s3e_object *row =
        object->reader ? s3e_reader_object(object->reader) : NULL;
    op->in.key = key_of(object);
    op->in.etag = row ? row->etag : (struct s3e_span){0};
    op->in.max_bytes =
        (uint64_t)sqlite3_limit(conn->db, SQLITE_LIMIT_LENGTH, -1);
    return s3e_store_run(object->store, op, waiter.stop, waiter.ctx, err);
}

/* An object by itself; NULL in `*blob` where there is none. */
static s3e_rc get_single(struct s3e_connection *conn,
    const struct object *object, struct s3e_blob **blob, struct s3e_err *err)
{
    struct s3e_op op = {.in = {.kind = S3E_OP_GET}};
    s3e_rc rc = run(conn, object, &op, err);
    if (rc == S3E_OK) {
        *blob = op.out.blob;
        op.out.blob = NULL;
        s3e_connection_remember(conn, *blob, object->uri);
    }
    s3e_op_reset(&op);
    return rc;
}

/* Counts the statement's GETs one by one, and leaves a hint once. */
static void count_single(sqlite3_context *ctx, struct s3e_connection *conn)
{
    unsigned *singles = sqlite3_get_auxdata(ctx, SINGLES_SLOT);
    if (!singles) {
        if (!S3E_NEW(singles)) {
            return;
        }
        sqlite3_set_auxdata(ctx, SINGLES_SLOT, singles, s3e_free);
        singles = sqlite3_get_auxdata(ctx, SINGLES_SLOT);
    }
    if (singles && ++*singles == SINGLES_HINT + 1) {
        s3e_errors_add(&conn->errors, "s3_get", NULL, "Hint", hint);
    }
}

/* What the arguments name: a row's key, a uri or a key; or bucket and key.
 * NOTFOUND, a folder that is not there, is like an object that is not. */
static s3e_rc name_object(struct s3e_connection *conn, struct object *object,
    int argc, sqlite3_value **argv, struct s3e_err *err)
{
    const struct s3e_span first = s3e_value_span(argv[0]);
    s3e_rc rc = s3e_connection_poll(conn, err);
    if (rc != S3E_OK) {
        return rc;
    }
    if (argc == 1) {
        return resolve(conn, object, first, err);
    }
    rc = set_in_bucket(conn, object, first, s3e_value_span(argv[1]), err);
    if (rc == S3E_OK) {
        find_reader(conn, object);
    }
    return rc;
}

/* The end of a call: a failure as the store's sentence says it. */
static void fail(sqlite3_context *ctx, const char *function,
    const struct object *object, s3e_rc rc, const struct s3e_err *err)
{
    s3e_result_fail(ctx, s3e_connection_of(ctx), function, object->uri,
        object->uri ? S3E_OF_OBJECT : S3E_OF_STATEMENT, rc, err);
}

void s3e_fn_s3_get(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct s3e_connection *conn = s3e_connection_of(ctx);
    struct object object = {0};
    struct s3e_blob *blob = NULL;
    struct s3e_err err;
    if (has_null(argc, argv)) {
        return;
    }
    s3e_rc rc = name_object(conn, &object, argc, argv, &err);
    bool missing = rc != S3E_OK && is_missing(rc, &err);
    if (rc == S3E_OK &&
        (!object.reader || s3e_reader_is_single(object.reader))) {
        count_single(ctx, conn);
    }
    if (rc == S3E_OK && object.reader) {
        rc = s3e_reader_get(object.reader, &blob, &err);
    } else if (rc == S3E_OK) {
        rc = get_single(conn, &object, &blob, &err);
        missing = rc != S3E_OK && is_missing(rc, &err);
    }
    if (blob) {
        s3e_result_blob(ctx, blob);
    } else if (!missing) {
        fail(ctx, "s3_get", &object, rc, &err);
    }
    object_deinit(&object);
}

static s3e_rc get_range(struct s3e_connection *conn,
    const struct object *object, struct s3e_blob **blob, const int64_t range[2],
    struct s3e_err *err)
{
    if (range[0] < 0 || range[1] < 1) {
        return s3e_fail(err, S3E_E_RANGE,
            "takes an offset of 0 or more and a length of 1 or more");
    }
    struct s3e_op op = {.in = {.kind = S3E_OP_GET,
                            .offset = (uint64_t)range[0],
                            .length = (uint64_t)range[1]}};
    const s3e_rc rc = run(conn, object, &op, err);
    *blob = op.out.blob;
    op.out.blob = NULL;
    s3e_op_reset(&op);
    return rc;
}

void s3e_fn_s3_get_range(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct s3e_connection *conn = s3e_connection_of(ctx);
    struct object object = {0};
    struct s3e_blob *blob = NULL;
    struct s3e_err err;
    if (has_null(argc, argv)) {
        return;
    }
    const int64_t range[2] = {
        sqlite3_value_int64(argv[1]), sqlite3_value_int64(argv[2])};
    s3e_rc rc = name_object(conn, &object, 1, argv, &err);
    if (rc == S3E_OK) {
        rc = get_range(conn, &object, &blob, range, &err);
    }
    if (blob) {
        s3e_result_blob(ctx, blob);
    } else if (rc != S3E_OK && !is_missing(rc, &err)) {
        fail(ctx, "s3_get_range", &object, rc, &err);
    }
    object_deinit(&object);
}

static void add_pair(
    struct s3e_buf *json, const char *name, struct s3e_span value)
{
    s3e_buf_printf(json, "%s\"%s\":", json->len > 1 ? "," : "", name);
    if (value.len) {
        s3e_buf_add_json(json, value);
    } else {
        s3e_buf_add_str(json, "null");
    }
}

static void add_head(struct s3e_buf *json, const struct s3e_page *page)
{
    const struct s3e_object *object = &page->objects[0];
    char time[S3E_TIME_LEN + 1] = "";
    if (object->last_modified >= 0) {
        s3e_time_format(time, object->last_modified, 0);
    }
    s3e_buf_printf(json, "{\"size\":%lld", (long long)object->size);
    add_pair(json, "etag", object->etag);
    add_pair(json, "last_modified", s3e_span_str(time));
    add_pair(json, "content_type", page->content_type);
    add_pair(json, "storage_class", object->storage_class);
    s3e_buf_add_str(json, ",\"metadata\":{");
    for (size_t i = 0; i < page->num_meta; i++) {
        s3e_buf_add_str(json, i ? "," : "");
        s3e_buf_add_json(json, page->meta[i].name);
        s3e_buf_add_str(json, ":");
        s3e_buf_add_json(json, page->meta[i].value);
    }
    s3e_buf_add_str(json, "}}");
}

static s3e_rc head(struct s3e_connection *conn, const struct object *object,
    char **out, struct s3e_err *err)
{
    struct s3e_op op = {.in = {.kind = S3E_OP_HEAD}};
    struct s3e_buf json = S3E_BUF(JSON_MAX);
    s3e_rc rc = run(conn, object, &op, err);
    if (rc == S3E_OK) {
        add_head(&json, op.out.page);
        *out = s3e_buf_take(&json);
        rc = s3e_buf_check(&json, "JSON", err);
    }
    s3e_buf_free(&json);
    s3e_op_reset(&op);
    return rc;
}

void s3e_fn_s3_head(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct s3e_connection *conn = s3e_connection_of(ctx);
    struct object object = {0};
    char *json = NULL;
    struct s3e_err err;
    if (has_null(argc, argv)) {
        return;
    }
    s3e_rc rc = name_object(conn, &object, 1, argv, &err);
    if (rc == S3E_OK) {
        rc = head(conn, &object, &json, &err);
    }
    if (json) {
        sqlite3_result_text(ctx, json, -1, s3e_free);
        sqlite3_result_subtype(ctx, SUBTYPE_JSON);
    } else if (!is_missing(rc, &err)) {
        fail(ctx, "s3_head", &object, rc, &err);
    }
    object_deinit(&object);
}
