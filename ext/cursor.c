#include "ext/cursor.h"

#include "base/mem.h"

enum {
    STRIKES_MAX = 4, /* then keys are got one by one */
    PAYS = 8,        /* rows in order that make a reading worth its listing */
    SKIP_MAX = 256,  /* rows passed over before a new listing is cheaper */
    URI_MAX = 8192
};

static void leave_list(struct s3e_cursor *cursor)
{
    struct s3e_cursor **at = &cursor->conn->cursors;
    while (*at && *at != cursor) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = cursor->next;
    }
}

void s3e_cursor_close(struct s3e_cursor *cursor)
{
    if (cursor->conn) {
        leave_list(cursor);
    }
    s3e_reader_free(cursor->again);
    s3e_reader_free(cursor->rows);
    s3e_scan_deinit(&cursor->scan);
    s3e_buf_free(&cursor->base);
    *cursor = (struct s3e_cursor){0};
}

static void note_row(struct s3e_cursor *cursor)
{
    const struct s3e_object *object = s3e_cursor_object(cursor);
    if (object && s3e_uri_is(object->key)) {
        cursor->listed_uri = true;
    }
}

s3e_rc s3e_cursor_open(
    struct s3e_cursor *cursor, struct s3e_connection *conn, struct s3e_err *err)
{
    const struct s3e_store *store = cursor->scan.store;
    cursor->conn = conn;
    cursor->base = S3E_BUF(URI_MAX);
    store->kind->uri(store, &cursor->base, (struct s3e_span){0});
    s3e_rc rc = s3e_buf_check(&cursor->base, "a uri", err);
    if (rc == S3E_OK) {
        rc = s3e_reader_new(
            &cursor->rows, conn, &cursor->scan, (struct s3e_span){0}, err);
    }
    if (rc == S3E_OK) {
        cursor->next = conn->cursors;
        conn->cursors = cursor;
        rc = s3e_cursor_next(cursor, err);
    }
    if (rc != S3E_OK) {
        s3e_cursor_close(cursor);
    }
    return rc;
}

s3e_rc s3e_cursor_next(struct s3e_cursor *cursor, struct s3e_err *err)
{
    const s3e_rc rc = s3e_reader_next(cursor->rows, true, err);
    note_row(cursor);
    return rc;
}

const struct s3e_object *s3e_cursor_object(const struct s3e_cursor *cursor)
{
    return cursor->rows ? s3e_reader_object(cursor->rows) : NULL;
}

static bool is_at(const struct s3e_reader *reader, struct s3e_span key)
{
    const struct s3e_object *object = reader ? s3e_reader_object(reader) : NULL;
    return object && s3e_span_eq(object->key, key);
}

bool s3e_cursor_may_have_listed(
    const struct s3e_cursor *cursor, struct s3e_span key)
{
    const struct s3e_object *object = s3e_cursor_object(cursor);
    return s3e_span_starts(key, s3e_span_str(cursor->scan.prefix)) &&
           (!object || s3e_span_cmp(key, object->key) < 0);
}

static void end_again(struct s3e_cursor *cursor)
{
    cursor->strikes = cursor->hits >= PAYS ? 0 : cursor->strikes + 1;
    cursor->hits = 0;
    s3e_reader_free(cursor->again);
    cursor->again = NULL;
}

/* Goes on to `key` if it is not far ahead. Rows are taken into the window only
 * once the order proved right. */
static bool go_on(struct s3e_cursor *cursor, struct s3e_span key)
{
    struct s3e_reader *again = cursor->again;
    struct s3e_err err;
    for (unsigned i = 0; i < SKIP_MAX; i++) {
        const struct s3e_object *object = s3e_reader_object(again);
        const int order = object ? s3e_span_cmp(object->key, key) : 1;
        if (order >= 0) {
            return order == 0;
        }
        if (s3e_reader_next(again, cursor->hits > 0, &err) != S3E_OK) {
            return false;
        }
    }
    return false;
}

/* Reads the listing again from `key`. */
static bool start_again(struct s3e_cursor *cursor, struct s3e_span key)
{
    struct s3e_err err;
    return s3e_reader_new(&cursor->again, cursor->conn, &cursor->scan, key,
               &err) == S3E_OK &&
           s3e_reader_next(cursor->again, false, &err) == S3E_OK &&
           is_at(cursor->again, key);
}

struct s3e_reader *s3e_cursor_seek(
    struct s3e_cursor *cursor, struct s3e_span key)
{
    if (is_at(cursor->rows, key)) {
        return cursor->rows;
    }
    if (is_at(cursor->again, key)) {
        return cursor->again;
    }
    if (!s3e_cursor_may_have_listed(cursor, key) || key.len == 0) {
        return NULL;
    }
    if (cursor->again && go_on(cursor, key)) {
        cursor->hits++;
        return cursor->again;
    }
    if (cursor->again) {
        end_again(cursor);
    }
    if (cursor->strikes < STRIKES_MAX && !start_again(cursor, key)) {
        end_again(cursor);
    }
    return cursor->again;
}

struct s3e_reader *s3e_cursor_owner(
    const struct s3e_cursor *cursor, struct s3e_span bytes)
{
    if (s3e_reader_owns(cursor->rows, bytes)) {
        return cursor->rows;
    }
    return cursor->again && s3e_reader_owns(cursor->again, bytes)
               ? cursor->again
               : NULL;
}

struct s3e_span s3e_cursor_key_of(
    const struct s3e_cursor *cursor, struct s3e_span uri)
{
    const struct s3e_span base = s3e_buf_span(&cursor->base);
    if (!s3e_span_starts(uri, base) || uri.len == base.len) {
        return (struct s3e_span){0};
    }
    return s3e_span_from(uri, base.len);
}
