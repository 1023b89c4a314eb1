#include "ext/reader.h"

#include "base/mem.h"
#include "s3vfs/list.h"

#include <limits.h>

struct s3e_reader {
    struct s3e_connection *conn;
    const struct s3e_scan *scan;
    struct s3e_list *list; /* NULL at its end */
    struct s3e_window *window;
    uint64_t left;        /* rows of OFFSET and LIMIT still to come */
    struct s3e_row *held; /* of the listing, not yet in the window; or NULL */
    /* Why the listing ended, told when the reader gets there. */
    s3e_rc rc;
    struct s3e_err err;
};

static s3e_rc new_window(struct s3e_reader *r, struct s3e_err *err)
{
    const struct s3e_settings *settings = &r->conn->settings;
    const struct s3e_window_limits limits = {
        .prefetch = s3e_settings_number(settings, S3E_SET_PREFETCH) == 1,
        .max_bytes = s3e_settings_number(settings, S3E_SET_PREFETCH_BYTES),
        .max_fetches =
            (unsigned)s3e_settings_number(settings, S3E_SET_MAX_CONNECTIONS),
        .max_rows = r->left == UINT64_MAX ? 0 : r->left,
    };
    struct s3e_source source;
    const int max = sqlite3_limit(r->conn->db, SQLITE_LIMIT_LENGTH, -1);
    s3e_rc rc = s3e_source_init(&source, r->scan->store, (uint64_t)max, err);
    if (rc == S3E_OK) {
        rc = s3e_window_new(&r->window, &source, &limits, err);
        if (rc != S3E_OK) {
            source.ctx_free(source.ctx);
        }
    }
    return rc;
}

/* The keys of `key = ` or IN that can be rows, from `from` on. */
static s3e_rc new_list_of_keys(
    struct s3e_reader *r, struct s3e_span from, struct s3e_err *err)
{
    const struct s3e_scan *scan = r->scan;
    const struct s3e_where *only = &scan->filters[scan->only - 1];
    const struct s3e_span prefix = s3e_span_str(scan->prefix);
    size_t num = 0;
    struct s3e_span *keys = NULL;
    if (only->num_operands) {
        keys = s3e_alloc_array(only->num_operands, sizeof *keys);
        if (!keys) {
            return s3e_fail(err, S3E_E_NOMEM, "out of memory");
        }
    }
    for (size_t i = 0; i < only->num_operands; i++) {
        const struct s3e_span key = only->operands[i].value.text;
        if (key.len && key.len <= S3E_KEY_MAX && s3e_span_starts(key, prefix) &&
            (!from.ptr || s3e_span_cmp(key, from) >= 0)) {
            keys[num++] = key;
        }
    }
    const s3e_rc rc =
        num ? s3e_list_new_keys(&r->list, scan->store, keys, num, err) : S3E_OK;
    s3e_free(keys);
    return rc;
}

/* The listing may stop early where every object that it lists is a row. */
static uint64_t list_limit(const struct s3e_reader *r)
{
    const struct s3e_scan *scan = r->scan;
    const bool all = scan->markers && !scan->target.glob &&
                     scan->num_filters == 0 && r->left != UINT64_MAX;
    return all ? r->left : 0;
}

static uint64_t max_rows(const struct s3e_scan *scan)
{
    const bool limited =
        scan->limited && scan->limit < UINT64_MAX - scan->offset;
    return limited ? scan->limit + scan->offset : UINT64_MAX;
}

static s3e_rc new_list(
    struct s3e_reader *r, struct s3e_span from, struct s3e_err *err)
{
    const struct s3e_scan *scan = r->scan;
    if (scan->nothing || r->left == 0) {
        return S3E_OK;
    }
    if (scan->only) {
        return new_list_of_keys(r, from, err);
    }
    const struct s3e_list_args args = {
        .prefix = s3e_span_str(scan->prefix),
        .start_after =
            from.ptr ? (struct s3e_span){0} : s3e_span_str(scan->after),
        .from = from.ptr ? from : s3e_span_str(scan->from),
        .limit = list_limit(r),
        .ordered = scan->ordered || from.ptr || scan->from || scan->before ||
                   scan->upto,
    };
    return s3e_list_new(&r->list, scan->store, &args, err);
}

s3e_rc s3e_reader_new(struct s3e_reader **out, struct s3e_connection *conn,
    const struct s3e_scan *scan, struct s3e_span from, struct s3e_err *err)
{
    struct s3e_reader *r;
    *out = NULL;
    if (!S3E_NEW(r)) {
        return s3e_fail(err, S3E_E_NOMEM, "out of memory");
    }
    r->conn = conn;
    r->scan = scan;
    r->left = from.ptr ? UINT64_MAX : max_rows(scan);
    s3e_rc rc = new_window(r, err);
    if (rc == S3E_OK) {
        rc = new_list(r, from, err);
    }
    if (rc != S3E_OK) {
        s3e_reader_free(r);
        return rc;
    }
    *out = r;
    return S3E_OK;
}

static void drop_rows(struct s3e_reader *r)
{
    s3e_list_free(r->list);
    s3e_row_free(r->held);
    r->list = NULL;
    r->held = NULL;
}

void s3e_reader_free(struct s3e_reader *reader)
{
    if (reader) {
        drop_rows(reader);
        s3e_window_free(reader->window);
        s3e_free(reader);
    }
}

s3e_rc s3e_reader_restart(
    struct s3e_reader *reader, struct s3e_span from, struct s3e_err *err)
{
    const s3e_rc rc = s3e_window_check_fork(reader->window, err);
    if (rc != S3E_OK) {
        return rc;
    }
    drop_rows(reader);
    while (s3e_window_rows(reader->window)) {
        s3e_window_pop(reader->window);
    }
    reader->rc = S3E_OK;
    reader->left = UINT64_MAX;
    return new_list(reader, from, err);
}

static void end_list(struct s3e_reader *r)
{
    s3e_list_free(r->list);
    r->list = NULL;
}

/* Holds the listing's object, if it is a row. */
static s3e_rc hold(
    struct s3e_reader *r, const struct s3e_list_row *row, struct s3e_err *err)
{
    const struct s3e_object *object = &row->page->objects[row->index];
    if (s3e_scan_is_past(r->scan, object->key)) {
        end_list(r);
        return S3E_OK;
    }
    if (!s3e_scan_keeps(r->scan, object)) {
        return S3E_OK;
    }
    r->held = s3e_row_new(row->page, row->index);
    return r->held ? S3E_OK : s3e_fail(err, S3E_E_NOMEM, "out of memory");
}

/* One object of the listing. `*arrived` tells whether there was one yet. */
static s3e_rc take(
    struct s3e_reader *r, bool wait, bool *arrived, struct s3e_err *err)
{
    struct s3e_list_row row = {0};
    const struct s3e_waiter waiter = s3e_connection_waiter(r->conn);
    s3e_rc rc = wait ? s3e_connection_poll(r->conn, err) : S3E_OK;
    if (rc == S3E_OK && r->scan->account) {
        rc =
            s3e_account_prepare(r->scan->account, waiter.stop, waiter.ctx, err);
    }
    if (rc == S3E_OK) {
        rc = s3e_list_next(r->list, &row, wait, waiter.stop, waiter.ctx, err);
    }
    *arrived = row.page != NULL;
    if (rc == S3E_OK && row.page) {
        rc = hold(r, &row, err);
    } else if (rc == S3E_OK && row.ended) {
        end_list(r);
    }
    s3e_page_unref(row.page);
    return rc;
}

/* The held row into the window. */
static s3e_rc push(struct s3e_reader *r, struct s3e_err *err)
{
    const s3e_rc rc =
        s3e_window_push(r->window, r->held, r->held->object->size, err);
    if (rc == S3E_OK) {
        r->held = NULL;
        if (r->left != UINT64_MAX && --r->left == 0) {
            end_list(r);
        }
    }
    return rc;
}

/* The part of a key before its name. */
static struct s3e_span folder_of(struct s3e_span key)
{
    while (key.len && key.ptr[key.len - 1] != '/') {
        key.len--;
    }
    return key;
}

static bool is_in_folder(const struct s3e_reader *r)
{
    const struct s3e_object *front = s3e_reader_object(r);
    return s3e_span_eq(folder_of(front->key), folder_of(r->held->object->key));
}

/* A row of the listing held, if there is one, or within `max` objects. */
static void hold_next(struct s3e_reader *r, bool wait, unsigned max)
{
    bool arrived = true;
    while (!r->held && r->list && arrived && r->rc == S3E_OK && max-- > 0) {
        r->rc = take(r, wait, &arrived, &r->err);
    }
}

/* At a row now, or why not. */
static s3e_rc settle(struct s3e_reader *r, struct s3e_err *err)
{
    if (s3e_window_rows(r->window) == 0 && r->rc != S3E_OK) {
        *err = r->err;
        return r->rc;
    }
    return S3E_OK;
}

s3e_rc s3e_reader_next(struct s3e_reader *reader, struct s3e_err *err)
{
    struct s3e_reader *r = reader;
    const s3e_rc rc = s3e_window_check_fork(r->window, err);
    if (rc != S3E_OK) {
        return rc;
    }
    if (s3e_window_rows(r->window)) {
        s3e_window_pop(r->window);
    }
    if (s3e_window_rows(r->window) == 0) {
        hold_next(r, true, UINT_MAX);
        r->rc = r->held ? push(r, &r->err) : r->rc;
    }
    return settle(r, err);
}

static bool is_before(const struct s3e_object *object, struct s3e_span key)
{
    return object && s3e_span_cmp(object->key, key) < 0;
}

s3e_rc s3e_reader_seek(struct s3e_reader *reader, unsigned *passed,
    struct s3e_span key, unsigned max, struct s3e_err *err)
{
    struct s3e_reader *r = reader;
    *passed = 0;
    const s3e_rc rc = s3e_window_check_fork(r->window, err);
    if (rc != S3E_OK) {
        return rc;
    }
    while (is_before(s3e_reader_object(r), key)) {
        s3e_window_pop(r->window);
        ++*passed;
    }
    if (s3e_window_rows(r->window)) {
        return S3E_OK;
    }
    hold_next(r, true, max);
    while (r->held && *passed < max && is_before(r->held->object, key)) {
        s3e_row_free(r->held);
        r->held = NULL;
        ++*passed;
        hold_next(r, true, max);
    }
    if (r->held && s3e_span_eq(r->held->object->key, key)) {
        r->rc = push(r, &r->err);
    }
    return settle(r, err);
}

void s3e_reader_look_ahead(struct s3e_reader *reader, bool beyond_folder)
{
    struct s3e_reader *r = reader;
    while (r->rc == S3E_OK && s3e_window_rows(r->window) &&
           s3e_window_room(r->window)) {
        hold_next(r, false, UINT_MAX);
        if (!r->held || !(beyond_folder || is_in_folder(r))) {
            return;
        }
        r->rc = push(r, &r->err);
    }
}

const struct s3e_object *s3e_reader_object(const struct s3e_reader *reader)
{
    const struct s3e_row *row = s3e_window_front(reader->window);
    return row ? row->object : NULL;
}

bool s3e_reader_is_single(const struct s3e_reader *reader)
{
    const struct s3e_scan *scan = reader->scan;
    return scan->only && scan->filters[scan->only - 1].num_operands == 1;
}

s3e_rc s3e_reader_get(
    struct s3e_reader *reader, struct s3e_blob **blob, struct s3e_err *err)
{
    const struct s3e_waiter waiter = s3e_connection_waiter(reader->conn);
    *blob = NULL;
    return s3e_window_get(reader->window, blob, &waiter, err);
}

s3e_rc s3e_reader_make(struct s3e_reader *reader, float *out,
    const struct s3e_maker *maker, struct s3e_err *err)
{
    const struct s3e_waiter waiter = s3e_connection_waiter(reader->conn);
    return s3e_window_make(reader->window, out, maker, &waiter, err);
}

bool s3e_reader_owns(const struct s3e_reader *reader, struct s3e_span bytes)
{
    if (!bytes.ptr || !s3e_window_front(reader->window)) {
        return false;
    }
    if (bytes.len == 0) { /* SQLite drops the pointer to no bytes */
        return s3e_window_gave_nothing(reader->window);
    }
    /* As s3e_blob_of does, of bytes that may be anyone's: not followed before
     * the window knows it. */
    const void *head = bytes.ptr - offsetof(struct s3e_blob, data);
    const struct s3e_blob *blob = head;
    return s3e_window_owns(reader->window, blob) && blob->len == bytes.len;
}
