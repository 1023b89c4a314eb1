#include "tests/scripted.h"

#include "base/mem.h"
#include "tests/harness.h"

#include <stdarg.h>

/* ---- answers ---- */

static void add_header(
    struct s3e_exchange *ex, const char *name, const char *value)
{
    s3e_buf_printf(&ex->out.headers, "%s: %s\n", name, value);
}

static void set_body(struct s3e_exchange *ex, struct s3e_span body)
{
    char length[32];
    (void)snprintf(length, sizeof length, "%zu", body.len);
    add_header(ex, "content-length", length);
    if (body.len == 0 || strcmp(ex->in.method, "HEAD") == 0) {
        return;
    }
    ex->out.body = s3e_blob_new(body.len);
    if (!ex->out.body) {
        ex->out.rc = s3e_fail(&ex->out.err, S3E_E_NOMEM, "no memory");
        return;
    }
    memcpy(ex->out.body->data, body.ptr, body.len);
    ex->out.body->len = body.len;
}

static void refuse(
    struct s3e_exchange *ex, int status, const char *code, const char *more)
{
    char xml[512];
    (void)snprintf(xml, sizeof xml,
        "<Error><Code>%s</Code><Message>as scripted</Message>%s"
        "<RequestId>ID1</RequestId></Error>",
        code, more);
    ex->out.status = status;
    set_body(ex, s3e_span_str(xml));
}

/* Percent-decodes `text` up to `end` or its own. */
static void decode(char *out, size_t room, const char *text, char end)
{
    size_t len = 0;
    for (; *text && *text != end; text++) {
        unsigned hex = 0;
        CHECK(len + 1 < room);
        if (*text == '%' && sscanf(text + 1, "%2x", &hex) == 1) {
            out[len++] = (char)hex;
            text += 2;
        } else {
            out[len++] = *text;
        }
    }
    out[len] = '\0';
}

/* The decoded value of a query's parameter; "" if there is none. */
static void param(char *out, size_t room, const char *url, const char *name)
{
    const char *at = strchr(url, '?');
    const size_t len = strlen(name);
    while (at && (strncmp(at + 1, name, len) != 0 || at[1 + len] != '=')) {
        at = strchr(at + 1, '&');
    }
    decode(out, room, at ? at + len + 2 : "", '&');
}

static void add_encoded(struct s3e_buf *xml, const char *key)
{
    for (; *key; key++) {
        s3e_buf_printf(xml, "%%%02X", (unsigned)(unsigned char)*key);
    }
}

static void add_object(struct s3e_buf *xml, const struct scripted_object *o)
{
    s3e_buf_add_str(xml, "<Contents><Key>");
    add_encoded(xml, o->key);
    s3e_buf_printf(xml,
        "</Key><LastModified>2024-01-02T03:04:05.000Z</LastModified>"
        "<ETag>&quot;%s&quot;</ETag><Size>%zu</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>",
        o->etag, strlen(o->body));
}

struct listing {
    char prefix[1100], after[1100], delimiter[8], max[16];
    char folder[1100]; /* the last common prefix given */
    size_t left;
    char last[1100];
};

/* Adds the object, or its folder, if it is listed; false where the page is
 * full. */
static bool list_one(
    struct listing *l, struct s3e_buf *xml, const struct scripted_object *o)
{
    const size_t prefix_len = strlen(l->prefix);
    if (strncmp(o->key, l->prefix, prefix_len) != 0 ||
        strcmp(o->key, l->after) <= 0) {
        return true;
    }
    const char *slash =
        l->delimiter[0] ? strstr(o->key + prefix_len, l->delimiter) : NULL;
    char folder[1100] = "";
    if (slash) {
        memcpy(folder, o->key, (size_t)(slash - o->key) + 1);
        if (strcmp(folder, l->folder) == 0 ||
            strncmp(l->after, folder, strlen(folder)) == 0) {
            return true;
        }
    }
    if (l->left == 0) {
        return false;
    }
    l->left--;
    (void)snprintf(l->last, sizeof l->last, "%s", slash ? folder : o->key);
    if (slash) {
        memcpy(l->folder, folder, sizeof folder);
        s3e_buf_add_str(xml, "<CommonPrefixes><Prefix>");
        add_encoded(xml, folder);
        s3e_buf_add_str(xml, "</Prefix></CommonPrefixes>");
    } else {
        add_object(xml, o);
    }
    return true;
}

static void list(struct scripted *s, struct s3e_exchange *ex)
{
    struct s3e_buf xml = S3E_BUF(1 << 24);
    struct listing *l = calloc(1, sizeof *l);
    CHECK(l != NULL);
    char token[4096];
    bool more = false;
    param(l->prefix, sizeof l->prefix, ex->in.url, "prefix");
    /* A token is the last key, encoded: a key may hold what XML may not. */
    param(token, sizeof token, ex->in.url, "continuation-token");
    decode(l->after, sizeof l->after, token, '\0');
    if (!l->after[0]) {
        param(l->after, sizeof l->after, ex->in.url, "start-after");
    }
    param(l->delimiter, sizeof l->delimiter, ex->in.url, "delimiter");
    param(l->max, sizeof l->max, ex->in.url, "max-keys");
    l->left = l->max[0] ? strtoul(l->max, NULL, 10) : 1000;
    if (s->page_keys && s->page_keys < l->left) {
        l->left = s->page_keys;
    }
    s3e_buf_add_str(&xml, "<ListBucketResult><EncodingType>url</EncodingType>");
    for (size_t i = 0; i < s->num_objects && !more; i++) {
        more = !list_one(l, &xml, &s->objects[i]);
    }
    s3e_buf_printf(
        &xml, "<IsTruncated>%s</IsTruncated>", more ? "true" : "false");
    if (more) {
        s3e_buf_add_str(&xml, "<NextContinuationToken>");
        add_encoded(&xml, l->last);
        s3e_buf_add_str(&xml, "</NextContinuationToken>");
    }
    s3e_buf_add_str(&xml, "</ListBucketResult>");
    free(l);
    ex->out.status = 200;
    if (xml.rc) {
        ex->out.rc = s3e_fail(&ex->out.err, xml.rc, "no memory");
    } else {
        set_body(ex, s3e_buf_span(&xml));
    }
    s3e_buf_free(&xml);
}

static const char *header_of(const struct s3e_exchange *ex, const char *name)
{
    const size_t len = strlen(name);
    for (const char *const *h = ex->in.headers; *h; h++) {
        if (strncasecmp(*h, name, len) == 0 && (*h)[len] == ':') {
            return *h + len + 2;
        }
    }
    return NULL;
}

static void give(struct s3e_exchange *ex, const struct scripted_object *o)
{
    const char *range = header_of(ex, "Range");
    const char *match = header_of(ex, "If-Match");
    const size_t len = strlen(o->body);
    size_t first = 0, last = len ? len - 1 : 0;
    char quoted[128], text[128];
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", o->etag);
    if (match && strcmp(match, quoted) != 0) {
        refuse(ex, 412, "PreconditionFailed", "");
        return;
    }
    if (range) {
        CHECK(sscanf(range, "bytes=%zu-%zu", &first, &last) == 2);
        if (first >= len) {
            refuse(ex, 416, "InvalidRange", "");
            return;
        }
        last = last < len ? last : len - 1;
        (void)snprintf(
            text, sizeof text, "bytes %zu-%zu/%zu", first, last, len);
        add_header(ex, "content-range", text);
    }
    ex->out.status = range ? 206 : 200;
    add_header(ex, "etag", quoted);
    add_header(ex, "last-modified", "Tue, 02 Jan 2024 03:04:05 GMT");
    add_header(ex, "content-type", "text/plain");
    add_header(ex, "x-amz-meta-who", "me");
    set_body(ex, (struct s3e_span){(const uint8_t *)o->body + first,
                     len ? last - first + 1 : 0});
}

/* "http://host/bucket/key?query": the key, decoded; "" for the bucket. */
static void key_of(char *out, size_t room, const char *url)
{
    const char *path = strchr(strstr(url, "://") + 3, '/');
    const char *key = strchr(path + 1, '/');
    decode(out, room, key ? key + 1 : "", '?');
}

static bool is_elsewhere(const struct scripted *s, struct s3e_exchange *ex)
{
    const char *sign = header_of(ex, "Authorization");
    char scope[96], more[96];
    (void)snprintf(scope, sizeof scope, "/%s/s3/", s->region ? s->region : "");
    if (!s->region || (sign && strstr(sign, scope))) {
        return false;
    }
    if (!sign || !s->dumb_head) {
        add_header(ex, "x-amz-bucket-region", s->region);
    }
    (void)snprintf(more, sizeof more, "<Region>%s</Region>", s->region);
    refuse(ex, sign ? 400 : 403,
        sign ? "AuthorizationHeaderMalformed" : "AccessDenied", more);
    return true;
}

static void answer_well(struct scripted *s, struct s3e_exchange *ex)
{
    char key[1100];
    key_of(key, sizeof key, ex->in.url);
    if (is_elsewhere(s, ex)) {
        return;
    }
    if (strstr(ex->in.url, "list-type=2")) {
        list(s, ex);
        return;
    }
    for (size_t i = 0; i < s->num_objects; i++) {
        if (strcmp(s->objects[i].key, key) == 0) {
            give(ex, &s->objects[i]);
            return;
        }
    }
    refuse(ex, 404, "NoSuchKey", "");
}

/* ---- faults ---- */

const char *fault_name(enum fault fault)
{
    static const char *const names[NUM_FAULTS] = {"none", "refused",
        "timed out", "reset in the header", "reset in the body", "truncated",
        "too long", "500", "503", "301 region", "expired", "denied", "cut XML",
        "200 with error", "412", "404", "stopped"};
    return names[fault];
}

static void fail(struct s3e_exchange *ex, s3e_rc rc, const char *why)
{
    s3e_blob_unref(ex->out.body);
    ex->out.body = NULL;
    ex->out.rc = s3e_fail(&ex->out.err, rc, "%s", why);
}

static void cut_body(struct s3e_exchange *ex)
{
    if (ex->out.body) {
        ex->out.body->len /= 2;
    }
}

static void answer_badly(struct scripted *s, struct s3e_exchange *ex)
{
    switch (s->fault) {
    case FAULT_REFUSED:
        fail(ex, S3E_E_UNREACHABLE, "http://s3.test: connection refused");
        break;
    case FAULT_TIMED_OUT:
        fail(ex, S3E_E_UNREACHABLE, "http://s3.test: timed out");
        break;
    case FAULT_RESET_HEADER:
        ex->out.status = 200;
        fail(ex, S3E_E_IO, "the answer broke off: reset");
        break;
    case FAULT_RESET_BODY:
    case FAULT_TRUNCATED:
        answer_well(s, ex);
        fail(ex, S3E_E_IO, "received 512 of 1024 bytes: reset");
        break;
    case FAULT_TOO_LONG:
        fail(
            ex, S3E_E_LIMIT, "the answer has 9 bytes, more than the 8 allowed");
        break;
    case FAULT_500:
        refuse(ex, 500, "InternalError", "");
        break;
    case FAULT_503:
        add_header(ex, "retry-after", "1");
        refuse(ex, 503, "SlowDown", "");
        break;
    case FAULT_REGION:
        add_header(ex, "x-amz-bucket-region", "eu-west-3");
        refuse(ex, 301, "PermanentRedirect", "");
        break;
    case FAULT_EXPIRED:
        refuse(ex, 403, "ExpiredToken", "");
        break;
    case FAULT_DENIED:
        refuse(ex, 403, "AccessDenied", "");
        break;
    case FAULT_CUT_XML:
        answer_well(s, ex);
        cut_body(ex);
        break;
    case FAULT_ERROR_200:
        refuse(ex, 200, "InternalError", "");
        break;
    case FAULT_412:
        refuse(ex, 412, "PreconditionFailed", "");
        break;
    case FAULT_404:
        refuse(ex, 404, "NoSuchKey", "");
        break;
    case FAULT_STOPPED:
        fail(ex, S3E_E_STOPPED, "stopped");
        break;
    case FAULT_NONE:
    case NUM_FAULTS:
        answer_well(s, ex);
        break;
    }
}

/* ---- the transport ---- */

static void note(struct scripted *s, const struct s3e_exchange *ex)
{
    s3e_buf_printf(&s->log, "%s %s\n", ex->in.method, ex->in.url);
    for (const char *const *h = ex->in.headers; *h; h++) {
        s3e_buf_printf(&s->log, "%s\n", *h);
    }
    s3e_buf_add_str(&s->log, "\n");
}

static void answer(struct scripted *s, struct s3e_exchange *ex)
{
    s3e_mutex_lock(&s->lock);
    const unsigned n = ++s->num_requests;
    const bool bad =
        s->fault && (n == s->fault_at || (s->for_ever && n > s->fault_at));
    s->num_faults += bad;
    note(s, ex);
    s3e_mutex_unlock(&s->lock);
    ex->out.headers = S3E_BUF(65536);
    if (ex->cancelled) {
        fail(ex, S3E_E_STOPPED, "stopped");
    } else if (bad) {
        answer_badly(s, ex);
    } else {
        answer_well(s, ex);
    }
    if (s->tamper && ex->out.rc == S3E_OK) {
        s->tamper(s, ex);
    }
    const struct s3e_span body = s3e_blob_span(ex->out.body);
    if (ex->out.status / 100 == 2 && body.len > ex->in.max_body) {
        fail(ex, S3E_E_LIMIT, "the answer is too long");
    } else if (ex->out.headers.rc && ex->out.rc == S3E_OK) {
        fail(ex, ex->out.headers.rc, "no memory for headers");
    }
    ex->in.done(ex);
}

static void run(void *arg)
{
    struct scripted *s = arg;
    s3e_mutex_lock(&s->lock);
    while (!s->ending || s->num_queued) {
        if (s->num_queued == 0) {
            s3e_cond_wait(&s->changed, &s->lock);
            continue;
        }
        struct s3e_exchange *ex = s->queue[0];
        if (s->answer_ms && !ex->cancelled) {
            s3e_cond_wait_ms(&s->changed, &s->lock, s->answer_ms);
        }
        memmove(s->queue, s->queue + 1, --s->num_queued * sizeof *s->queue);
        s3e_mutex_unlock(&s->lock);
        answer(s, ex);
        s3e_mutex_lock(&s->lock);
    }
    s3e_mutex_unlock(&s->lock);
}

static void start(struct s3e_transport *t, struct s3e_exchange *ex)
{
    struct scripted *s = (struct scripted *)t;
    if (s->answer_ms < 0) {
        answer(s, ex);
        return;
    }
    s3e_mutex_lock(&s->lock);
    CHECK(s->num_queued < sizeof s->queue / sizeof *s->queue);
    s->queue[s->num_queued++] = ex;
    s3e_cond_signal(&s->changed);
    s3e_mutex_unlock(&s->lock);
}

static void cancel(struct s3e_transport *t, struct s3e_exchange *ex)
{
    struct scripted *s = (struct scripted *)t;
    ex->cancelled = true;
    s3e_mutex_lock(&s->lock);
    s3e_cond_signal(&s->changed);
    s3e_mutex_unlock(&s->lock);
}

void scripted_init(struct scripted *s)
{
    struct s3e_err err;
    s->transport = (struct s3e_transport){start, cancel};
    s->log = S3E_BUF(1 << 26);
    CHECK_RC(s3e_mutex_init(&s->lock, &err), S3E_OK, &err);
    CHECK_RC(s3e_cond_init(&s->changed, &err), S3E_OK, &err);
    if (s->answer_ms >= 0) {
        CHECK_RC(s3e_thread_start(&s->thread, "scripted", run, s, &err), S3E_OK,
            &err);
    }
}

void scripted_deinit(struct scripted *s)
{
    if (s->answer_ms >= 0) {
        s3e_mutex_lock(&s->lock);
        s->ending = true;
        s3e_cond_signal(&s->changed);
        s3e_mutex_unlock(&s->lock);
        s3e_thread_join(&s->thread);
    }
    s3e_cond_deinit(&s->changed);
    s3e_mutex_deinit(&s->lock);
    s3e_buf_free(&s->log);
}

void scripted_again(struct scripted *s)
{
    s->num_requests = s->num_faults = 0;
    s3e_buf_free(&s->log);
}

size_t scripted_count(struct scripted *s, const char *text)
{
    size_t count = 0;
    s3e_mutex_lock(&s->lock);
    struct s3e_span rest = s3e_buf_span(&s->log);
    const uint8_t *at = NULL;
    while (rest.len && (at = memmem(rest.ptr, rest.len, text, strlen(text)))) {
        rest = s3e_span_from(rest, (size_t)(at - rest.ptr) + 1);
        count++;
    }
    s3e_mutex_unlock(&s->lock);
    return count;
}
