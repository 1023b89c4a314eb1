/* s3_store.c - a bucket as a store: what each operation asks S3 for, and what
 * its answer must look like. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/sync.h"
#include "s3vfs/page.h"
#include "s3vfs/request.h"
#include "s3vfs/store_kinds.h"
#include "s3vfs/uri.h"
#include "s3vfs/xml.h"

enum {
    LIST_BYTES_MAX = 32 * 1024 * 1024, /* of a page's XML */
    QUERY_MAX = 16384
};

struct s3_store {
    struct s3e_store base;
    char *bucket; /* "": the account's buckets */
    struct s3e_account *account;
    struct s3e_mutex lock; /* guards `impl` of the operations under way */
};

/* An operation under way. */
struct call {
    struct s3e_request request;
    struct s3_store *store;
    struct s3e_op *op;
    int64_t began_us;
};

static const struct s3_store *of(const struct s3e_store *store)
{
    return (const struct s3_store *)store;
}

static void close_store(struct s3e_store *store)
{
    struct s3_store *s3 = (struct s3_store *)store;
    s3e_account_unref(s3->account);
    s3e_mutex_deinit(&s3->lock);
    s3e_free(s3->bucket);
    s3e_free(s3);
}

static s3e_rc open_store(struct s3e_store **out,
    const struct s3e_target *target, struct s3e_account *account,
    struct s3e_err *err)
{
    struct s3_store *s3 = NULL;
    s3e_rc rc = S3E_OK;
    if (S3E_NEW(s3)) {
        s3->bucket = s3e_strdup(s3e_span_str(target->bucket));
    }
    if (!s3 || !s3->bucket) {
        rc = s3e_fail(err, S3E_E_NOMEM, "no memory for a bucket");
        goto done;
    }
    rc = s3e_mutex_init(&s3->lock, err);
    if (rc) {
        goto done;
    }
    s3->account = s3e_account_ref(account);
    *out = &s3->base;
done:
    if (rc && s3) {
        s3e_free(s3->bucket);
        s3e_free(s3);
    }
    return rc;
}

static void append_uri(
    const struct s3e_store *store, struct s3e_buf *out, struct s3e_span key)
{
    s3e_buf_add_str(out, "s3://");
    s3e_buf_add_str(out, of(store)->bucket);
    s3e_buf_add_byte(out, '/');
    s3e_buf_add(out, key);
}

/* ---- what is asked ---- */

static void add_param(
    struct s3e_buf *query, const char *name, struct s3e_span value)
{
    if (query->len) {
        s3e_buf_add_byte(query, '&');
    }
    s3e_buf_add_str(query, name);
    s3e_buf_add_byte(query, '=');
    s3e_uri_encode(query, value, false);
}

static void add_param_if(
    struct s3e_buf *query, const char *name, struct s3e_span value)
{
    if (value.len) {
        add_param(query, name, value);
    }
}

static void list_query(struct s3e_buf *query, const struct s3e_op *op)
{
    add_param_if(query, "continuation-token", op->in.token);
    add_param_if(query, "delimiter", op->in.delimiter);
    add_param(query, "encoding-type", S3E_LIT("url"));
    add_param(query, "list-type", S3E_LIT("2"));
    if (op->in.max_keys && op->in.max_keys < S3E_PAGE_KEYS_MAX) {
        s3e_buf_printf(query, "&max-keys=%u", op->in.max_keys);
    }
    add_param_if(query, "prefix", op->in.prefix);
    if (!op->in.token.len) {
        add_param_if(query, "start-after", op->in.start_after);
    }
}

/* ---- what is answered ---- */

static s3e_rc accept_list(struct s3e_request *r, struct s3e_err *err)
{
    struct s3e_op *op = ((struct call *)r->in.user)->op;
    return s3e_xml_list(&op->out.page, s3e_blob_span(r->ex.out.body), err);
}

static s3e_rc accept_buckets(struct s3e_request *r, struct s3e_err *err)
{
    struct s3e_op *op = ((struct call *)r->in.user)->op;
    return s3e_xml_buckets(&op->out.page, s3e_blob_span(r->ex.out.body), err);
}

/* Reads the decimal number that `s` begins with; false where there is none. */
static bool take_number(struct s3e_span *s, uint64_t *value)
{
    size_t i = 0;
    *value = 0;
    for (; i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9'; i++) {
        *value = 10 * *value + (uint64_t)(s->ptr[i] - '0');
    }
    *s = s3e_span_from(*s, i);
    return i > 0 && i < 19;
}

static s3e_rc check_etag(const struct s3e_request *r, struct s3e_err *err)
{
    const struct s3e_span want = s3e_buf_span(&r->own.etag);
    const struct s3e_span got =
        s3e_etag_bare(s3e_exchange_header(&r->ex, "etag"));
    return want.len && got.len && !s3e_span_eq(got, want)
               ? s3e_fail(err, S3E_E_CHANGED,
                     "the object changed since it was listed")
               : S3E_OK;
}

/* "bytes 0-9/100" must begin where we asked, and be as long as the body. */
static s3e_rc check_range(const struct s3e_request *r, struct s3e_err *err)
{
    struct s3e_span s = s3e_exchange_header(&r->ex, "content-range");
    const struct s3e_span unit = S3E_LIT("bytes ");
    const size_t len = s3e_blob_span(r->ex.out.body).len;
    uint64_t first = 0, last = 0;
    bool fits = r->ex.out.status == 206 && s3e_span_starts(s, unit);
    if (fits) {
        s = s3e_span_from(s, unit.len);
        fits = take_number(&s, &first) && s3e_span_starts(s, S3E_LIT("-"));
    }
    if (fits) {
        s = s3e_span_from(s, 1);
        fits = take_number(&s, &last) && first == r->in.offset &&
               last - first < r->in.length && last - first + 1 == len;
    }
    return fits ? S3E_OK
                : s3e_fail(err, S3E_E_FORMAT,
                      "asked for a range, S3 answered with other bytes");
}

/* A body that only the connection's end ends looks whole when it is cut. */
static s3e_rc check_length_told(
    const struct s3e_request *r, struct s3e_err *err)
{
    return s3e_exchange_number(&r->ex, "content-length") >= 0 ||
                   s3e_exchange_header(&r->ex, "transfer-encoding").len
               ? S3E_OK
               : s3e_fail(err, S3E_E_FORMAT,
                     "the answer does not say how long the object is");
}

static s3e_rc accept_get(struct s3e_request *r, struct s3e_err *err)
{
    struct s3e_op *op = ((struct call *)r->in.user)->op;
    s3e_rc rc = check_etag(r, err);
    rc = rc ? rc : check_length_told(r, err);
    if (!rc && r->in.length) {
        rc = check_range(r, err);
    }
    if (rc) {
        return rc;
    }
    op->out.blob = r->ex.out.body ? r->ex.out.body : s3e_blob_new(0);
    r->ex.out.body = NULL;
    return op->out.blob ? S3E_OK
                        : s3e_fail(err, S3E_E_NOMEM, "no memory for a body");
}

static void add_meta(struct s3e_page_builder *page, struct s3e_span headers)
{
    const struct s3e_span prefix = S3E_LIT("x-amz-meta-");
    while (headers.len) {
        const uint8_t *end = memchr(headers.ptr, '\n', headers.len);
        const size_t len = end ? (size_t)(end - headers.ptr) : headers.len;
        const struct s3e_span line = {headers.ptr, len};
        const uint8_t *colon = memchr(line.ptr, ':', line.len);
        if (colon && s3e_span_starts(line, prefix)) {
            const size_t at = (size_t)(colon - line.ptr);
            const struct s3e_span name = {
                line.ptr + prefix.len, at - prefix.len};
            struct s3e_span value = s3e_span_from(line, at + 1);
            while (value.len && value.ptr[0] == ' ') {
                value = s3e_span_from(value, 1);
            }
            s3e_page_add_meta(page, name, value);
        }
        headers = s3e_span_from(headers, end ? len + 1 : len);
    }
}

static s3e_rc accept_head(struct s3e_request *r, struct s3e_err *err)
{
    struct s3e_op *op = ((struct call *)r->in.user)->op;
    struct s3e_page_builder page = s3e_page_builder_zero();
    const struct s3e_span class =
        s3e_exchange_header(&r->ex, "x-amz-storage-class");
    const struct s3e_span date = s3e_exchange_header(&r->ex, "last-modified");
    struct s3e_object object = {.key = s3e_buf_span(&r->own.key),
        .etag = s3e_etag_bare(s3e_exchange_header(&r->ex, "etag")),
        .storage_class = class.len ? class : S3E_LIT("STANDARD"),
        .size = s3e_exchange_number(&r->ex, "content-length"),
        .last_modified = -1};
    s3e_rc rc = check_etag(r, err);
    if (rc) {
        return rc;
    }
    (void)s3e_time_parse_http(
        &object.last_modified, (const char *)date.ptr, date.len);
    s3e_page_add_object(&page, &object);
    s3e_page_set_content_type(
        &page, s3e_exchange_header(&r->ex, "content-type"));
    add_meta(&page, s3e_buf_span(&r->ex.out.headers));
    rc = s3e_page_finish(&op->out.page, &page, err);
    s3e_page_builder_deinit(&page);
    return rc;
}

/* ---- an operation's life ---- */

static void finish(struct s3e_request *r)
{
    struct call *call = r->in.user;
    struct s3_store *s3 = call->store;
    struct s3e_op *op = call->op;
    const s3e_rc rc = r->out.rc;
    s3e_mutex_lock(&s3->lock);
    op->impl = NULL;
    s3e_mutex_unlock(&s3->lock);
    if (rc) {
        op->out.err = r->out.err;
    }
    op->out.retries = r->out.retries;
    op->out.total_us = s3e_clock_us() - call->began_us;
    s3e_request_deinit(r);
    s3e_free(call);
    s3e_op_end(&s3->base, op, rc);
}

static void describe(struct s3e_request *r, const struct s3e_op *op)
{
    r->in.method = "GET";
    r->in.key = op->in.key;
    r->in.etag = op->in.etag;
    switch (op->in.kind) {
    case S3E_OP_GET:
        r->in.offset = op->in.offset;
        r->in.length = op->in.length;
        r->in.max_body = op->in.max_bytes && op->in.max_bytes < SIZE_MAX / 2
                             ? (size_t)op->in.max_bytes
                             : SIZE_MAX / 2;
        r->in.accept = accept_get;
        break;
    case S3E_OP_HEAD:
        r->in.method = "HEAD";
        r->in.accept = accept_head;
        break;
    case S3E_OP_LIST:
        r->in.max_body = LIST_BYTES_MAX;
        r->in.accept = accept_list;
        break;
    case S3E_OP_BUCKETS:
        r->in.max_body = LIST_BYTES_MAX;
        r->in.accept = accept_buckets;
        break;
    }
}

static void start(struct s3e_store *store, struct s3e_op *op)
{
    struct s3_store *s3 = (struct s3_store *)store;
    struct s3e_buf query = S3E_BUF(QUERY_MAX);
    struct call *call = NULL;
    s3e_rc rc = S3E_OK;
    if (op->in.kind == S3E_OP_LIST) {
        list_query(&query, op);
        rc = s3e_buf_check(&query, "query", &op->out.err);
    }
    if (!rc && !S3E_NEW(call)) {
        rc = s3e_fail(&op->out.err, S3E_E_NOMEM, "no memory for a request");
    }
    if (rc) {
        s3e_buf_free(&query);
        s3e_op_end(store, op, rc);
        return;
    }
    call->store = s3;
    call->op = op;
    call->began_us = s3e_clock_us();
    call->request.in.account = s3->account;
    call->request.in.bucket = op->in.kind == S3E_OP_BUCKETS ? "" : s3->bucket;
    call->request.in.query = s3e_buf_span(&query);
    call->request.in.done = finish;
    call->request.in.user = call;
    describe(&call->request, op);
    s3e_mutex_lock(&s3->lock);
    op->impl = call;
    s3e_mutex_unlock(&s3->lock);
    s3e_request_start(&call->request);
    s3e_buf_free(&query);
}

static void cancel(struct s3e_store *store, struct s3e_op *op)
{
    struct s3_store *s3 = (struct s3_store *)store;
    s3e_mutex_lock(&s3->lock);
    struct call *call = op->impl;
    if (call) {
        s3e_request_cancel(&call->request);
    }
    s3e_mutex_unlock(&s3->lock);
}

const struct s3e_store_kind s3e_s3_store_kind = {
    .scheme = "s3",
    .remote = true,
    .open = open_store,
    .close = close_store,
    .start = start,
    .cancel = cancel,
    .uri = append_uri,
};
