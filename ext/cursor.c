#include "ext/cursor.h"

#include "base/mem.h"

enum {
    STRIKES_MAX = 4, /* then keys are got one by one */
    PAYS = 8,        /* rows in order that make a reading worth its listing */
    SKIP_MAX = 256,  /* rows passed over before a new listing is cheaper */
    CROSSES = 2,     /* ends of folders passed in order before more are */
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
    const s3e_rc rc = s3e_reader_next(cursor->rows, err);
    if (rc == S3E_OK) {
        s3e_reader_look_ahead(cursor->rows, true);
    }
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

/* A reading of the listing from some key on ended: the next key is elsewhere,
 * as at the end of a group. */
static void judge(struct s3e_cursor *cursor)
{
    cursor->paid = cursor->hits >= PAYS;
    cursor->strikes = cursor->paid ? 0 : cursor->strikes + 1;
    cursor->hits = 0;
    cursor->crossed = 0;
}

static void end_again(struct s3e_cursor *cursor)
{
    cursor->strikes++;
    s3e_reader_free(cursor->again);
    cursor->again = NULL;
}

/* Only once the order proved right; and as groups often end where folders do,
 * beyond the end of one only once it was right there twice. */
static void look_ahead(struct s3e_cursor *cursor)
{
    if (cursor->hits > 0 || cursor->paid) {
        s3e_reader_look_ahead(cursor->again, cursor->crossed >= CROSSES);
    }
}

static bool same_folder(struct s3e_span a, struct s3e_span b)
{
    size_t i = 0;
    while (i < a.len && i < b.len && a.ptr[i] == b.ptr[i]) {
        i++;
    }
    return !memchr(a.ptr + i, '/', a.len - i) &&
           !memchr(b.ptr + i, '/', b.len - i);
}

/* Goes on to `key` if it is not far ahead. */
static bool go_on(struct s3e_cursor *cursor, struct s3e_span key)
{
    const struct s3e_object *object = s3e_reader_object(cursor->again);
    const bool crosses = object && !same_folder(object->key, key);
    unsigned passed = 0;
    struct s3e_err err;
    if (s3e_reader_seek(cursor->again, &passed, key, SKIP_MAX, &err) !=
            S3E_OK ||
        !is_at(cursor->again, key)) {
        return false;
    }
    cursor->hits++;
    if (crosses) {
        cursor->crossed = passed == 1 ? cursor->crossed + 1 : 0;
    }
    return true;
}

/* Reads the listing again from `key`. */
static bool start_again(struct s3e_cursor *cursor, struct s3e_span key)
{
    unsigned passed = 0;
    struct s3e_err err;
    const s3e_rc rc = cursor->again
                          ? s3e_reader_restart(cursor->again, key, &err)
                          : s3e_reader_new(&cursor->again, cursor->conn,
                                &cursor->scan, key, &err);
    return rc == S3E_OK &&
           s3e_reader_seek(cursor->again, &passed, key, 1, &err) == S3E_OK &&
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
    bool at = cursor->again && go_on(cursor, key);
    if (!at && cursor->again) {
        judge(cursor);
    }
    at = at || (cursor->strikes < STRIKES_MAX && start_again(cursor, key));
    if (!at) {
        end_again(cursor);
        return NULL;
    }
    look_ahead(cursor);
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
