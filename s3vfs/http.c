#include "s3vfs/http.h"

#include "base/clock.h"
#include "base/mem.h"
#include "s3vfs/ca.h"
#include "s3vfs/io_thread.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    CONNECT_MS = 3100,
    STALL_MS = 10000,
    STALL_BYTES_PER_S = 1,
    HEADERS_MAX = 65536,    /* bytes of an answer's header lines */
    ERROR_BODY_MAX = 65536, /* bytes kept of what a refusal says */
    CHUNK_ROOM = 16384,     /* first room of a body of unknown length */
    BUFFER_BYTES = 65536,   /* per recv */
    OLDEST_CURL = 0x075500  /* 7.85: thread-safe start, protocols by name */
};

/* An exchange under curl. Kept with its easy handle for the next one. */
struct transfer {
    struct s3e_job *job;
    struct s3e_exchange *ex;
    struct transfer *next; /* of the idle ones */
    CURL *easy;
    struct curl_slist *headers;
    const char *ca;
    int64_t begun_us;
    int64_t length;  /* Content-Length; -1 unknown */
    size_t max_body; /* of this answer */
    bool headers_ended;
    bool enough; /* of a refusal: the rest is not read */
    char text[CURL_ERROR_SIZE];
};

/* The I/O thread's. */
struct wire {
    CURLM *multi;
    struct transfer *idle;
    long max_kept; /* idle connections, as curl was told */
};

/* "https://host:443" of the URL: what a message may show of it. */
static struct s3e_span origin_of(const char *url)
{
    const char *host = strstr(url, "://");
    const size_t len = host ? strcspn(host + 3, "/?#") + 3 : 0;
    return (struct s3e_span){
        (const uint8_t *)url, host ? (size_t)(host - url) + len : 0};
}

static struct s3e_span host_of(struct s3e_span origin)
{
    const uint8_t *slash = memchr(origin.ptr, '/', origin.len);
    const size_t at = slash ? (size_t)(slash - origin.ptr) + 2 : 0;
    struct s3e_span host = s3e_span_from(origin, at);
    const uint8_t *colon = host.len ? memchr(host.ptr, ':', host.len) : NULL;
    host.len = colon ? (size_t)(colon - host.ptr) : host.len;
    return host;
}

/* ---- the answer, as it comes ---- */

static bool is_head(const struct s3e_exchange *ex)
{
    return strcmp(ex->in.method, "HEAD") == 0;
}

static bool is_wanted(const struct s3e_exchange *ex)
{
    return ex->out.status / 100 == 2;
}

static s3e_rc too_long(struct transfer *t, uint64_t bytes)
{
    return s3e_fail(&t->ex->out.err, S3E_E_LIMIT,
        "the answer has %s%" PRIu64 " bytes, more than the %zu allowed",
        t->length < 0 ? "at least " : "", bytes, t->max_body);
}

/* After the last header line: how long will the body be, and may it? */
static s3e_rc judge_headers(struct transfer *t)
{
    struct s3e_exchange *ex = t->ex;
    const bool wanted = is_wanted(ex);
    t->length = s3e_exchange_number(ex, "content-length");
    t->max_body = wanted ? ex->in.max_body : ERROR_BODY_MAX;
    if (wanted && !is_head(ex) && t->length > 0 &&
        (uint64_t)t->length > t->max_body) {
        return too_long(t, (uint64_t)t->length);
    }
    return S3E_OK;
}

/* "HTTP/1.1 200 OK": begins an answer, and drops an interim one before it. */
static void begin_answer(struct s3e_exchange *ex, struct s3e_span line)
{
    const uint8_t *space = memchr(line.ptr, ' ', line.len);
    s3e_buf_clear(&ex->out.headers);
    ex->out.status = 0;
    for (int i = 1; space && i <= 3 && space + i < line.ptr + line.len; i++) {
        if (space[i] >= '0' && space[i] <= '9') {
            ex->out.status = 10 * ex->out.status + (space[i] - '0');
        }
    }
}

static void add_header(struct s3e_buf *out, struct s3e_span line)
{
    const uint8_t *colon = memchr(line.ptr, ':', line.len);
    if (!colon) {
        return;
    }
    const size_t at = out->len, name = (size_t)(colon - line.ptr);
    s3e_buf_add(out, line);
    s3e_buf_add_byte(out, '\n');
    for (size_t i = at; out->rc == S3E_OK && i < at + name; i++) {
        const uint8_t c = out->ptr[i];
        out->ptr[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
    }
}

static size_t on_header(char *bytes, size_t size, size_t num, void *user)
{
    struct transfer *t = user;
    struct s3e_exchange *ex = t->ex;
    struct s3e_span line = {(const uint8_t *)bytes, size * num};
    while (line.len &&
           (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r')) {
        line.len--;
    }
    if (s3e_span_starts(line, S3E_LIT("HTTP/"))) {
        begin_answer(ex, line);
    } else if (line.len) {
        add_header(&ex->out.headers, line);
        ex->out.rc =
            s3e_buf_check(&ex->out.headers, "answer's header", &ex->out.err);
    } else if (ex->out.status >= 200) {
        t->headers_ended = true;
        ex->out.rc = judge_headers(t);
    }
    return ex->out.rc ? 0 : size * num;
}

static size_t first_room(const struct transfer *t)
{
    const size_t told = t->length > 0 ? (size_t)t->length : CHUNK_ROOM;
    return told < t->max_body || is_wanted(t->ex) ? told : t->max_body;
}

static size_t on_body(char *bytes, size_t size, size_t num, void *user)
{
    struct transfer *t = user;
    struct s3e_exchange *ex = t->ex;
    struct s3e_span piece = {(const uint8_t *)bytes, size * num};
    if (!ex->out.body) {
        ex->out.body = s3e_blob_new(first_room(t));
    }
    if (ex->out.body && !is_wanted(ex) &&
        piece.len > t->max_body - ex->out.body->len) {
        piece.len = t->max_body - ex->out.body->len;
        t->enough = true;
    }
    ex->out.rc = ex->out.body
                     ? s3e_blob_append(&ex->out.body, piece, t->max_body)
                     : S3E_E_NOMEM;
    if (ex->out.rc == S3E_E_NOMEM) {
        ex->out.rc = s3e_fail(&ex->out.err, S3E_E_NOMEM,
            "no memory for a body of %" PRId64 " bytes", t->length);
    } else if (ex->out.rc) {
        ex->out.rc = too_long(t, ex->out.body->len + piece.len);
    }
    return ex->out.rc || t->enough ? 0 : piece.len;
}

/* ---- curl's options ---- */

/* Sets options until one is refused. */
struct setup {
    CURL *easy;
    CURLcode rc;
};

static void set_long(struct setup *s, CURLoption option, long value)
{
    if (s->rc == CURLE_OK) {
        s->rc = curl_easy_setopt(s->easy, option, value);
    }
}

static void set_ptr(struct setup *s, CURLoption option, const void *value)
{
    if (s->rc == CURLE_OK) {
        s->rc = curl_easy_setopt(s->easy, option, value);
    }
}

static int or_default(int value, int otherwise)
{
    return value > 0 ? value : otherwise;
}

static void set_method(struct setup *s, const struct s3e_exchange *ex)
{
    if (is_head(ex)) {
        set_long(s, CURLOPT_NOBODY, 1);
    } else if (ex->in.method[0] == 'P') {
        set_long(s, CURLOPT_POST, 1);
        set_long(s, CURLOPT_POSTFIELDSIZE, (long)ex->in.body.len);
        set_ptr(s, CURLOPT_POSTFIELDS,
            ex->in.body.len ? ex->in.body.ptr : (const void *)"");
        set_ptr(s, CURLOPT_CUSTOMREQUEST, ex->in.method);
    } else if (strcmp(ex->in.method, "GET") != 0) {
        set_ptr(s, CURLOPT_CUSTOMREQUEST, ex->in.method);
    }
}

static void set_limits(struct setup *s, const struct s3e_route *route)
{
    const int stall_ms = or_default(route->stall_timeout_ms, STALL_MS);
    set_long(s, CURLOPT_CONNECTTIMEOUT_MS,
        or_default(route->connect_timeout_ms, CONNECT_MS));
    set_long(s, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES_PER_S);
    set_long(s, CURLOPT_LOW_SPEED_TIME, (stall_ms + 999) / 1000);
    set_long(s, CURLOPT_TIMEOUT_MS, or_default(route->total_timeout_ms, 0));
}

static void add_line(struct setup *s, struct transfer *t, const char *line)
{
    struct curl_slist *more = curl_slist_append(t->headers, line);
    t->headers = more ? more : t->headers;
    s->rc = more ? s->rc : CURLE_OUT_OF_MEMORY;
}

/* The headers asked for, and none of curl's own that were not signed. */
static void set_headers(struct setup *s, struct transfer *t)
{
    const char *const *line = t->ex->in.headers;
    for (; line && *line; line++) {
        add_line(s, t, *line);
    }
    add_line(s, t, "Expect:");
    add_line(s, t, "Content-Type:");
    set_ptr(s, CURLOPT_HTTPHEADER, t->headers);
}

static CURLcode set_options(struct transfer *t)
{
    const struct s3e_exchange *ex = t->ex;
    const struct s3e_route *route = ex->in.route;
    struct setup s = {t->easy, CURLE_OK};
    set_ptr(&s, CURLOPT_URL, ex->in.url);
    set_ptr(&s, CURLOPT_PRIVATE, t);
    set_ptr(&s, CURLOPT_ERRORBUFFER, t->text);
    set_ptr(&s, CURLOPT_HEADERDATA, t);
    set_ptr(&s, CURLOPT_WRITEDATA, t);
    s.rc = s.rc ? s.rc
                : curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    s.rc =
        s.rc ? s.rc : curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    set_long(&s, CURLOPT_NOSIGNAL, 1);
    set_long(&s, CURLOPT_PATH_AS_IS, 1);
    set_long(&s, CURLOPT_FOLLOWLOCATION, 0);
    set_long(&s, CURLOPT_NETRC, CURL_NETRC_IGNORED);
    set_long(&s, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    set_long(&s, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1);
    set_long(&s, CURLOPT_TCP_NODELAY, 1);
    set_long(&s, CURLOPT_TCP_KEEPALIVE, 1);
    set_long(&s, CURLOPT_SSL_VERIFYPEER, 1);
    set_long(&s, CURLOPT_SSL_VERIFYHOST, 2);
    set_long(&s, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    set_ptr(&s, CURLOPT_PROTOCOLS_STR, "http,https");
    set_ptr(&s, CURLOPT_USERAGENT, "s3embed");
    if (t->ca) {
        set_ptr(&s, CURLOPT_CAINFO, t->ca);
        /* Not the system's too. A TLS library that knows no such folder says
         * so, and has none. */
        (void)curl_easy_setopt(t->easy, CURLOPT_CAPATH, NULL);
    }
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Nobody waits for a look-up that is given up. Older ones at run time do
     * not know it. */
    (void)curl_easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    if (route->proxy) {
        set_ptr(&s, CURLOPT_PROXY, route->proxy);
    }
    set_method(&s, ex);
    set_limits(&s, route);
    set_headers(&s, t);
    return s.rc;
}

/* ---- the wire ---- */

static s3e_rc open_wire(void **state, struct s3e_err *err)
{
    struct wire *w = NULL;
    const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
    if (v->version_num < OLDEST_CURL || !(v->features & CURL_VERSION_SSL)) {
        return s3e_fail(err, S3E_E_UNREACHABLE,
            "libcurl %s is loaded: 7.85 or newer with TLS is needed",
            v->version);
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && S3E_NEW(w)) {
        w->multi = curl_multi_init();
    }
    /* Without file descriptors a multi handle is made that cannot be woken. */
    if (!w || !w->multi || curl_multi_wakeup(w->multi) != CURLM_OK) {
        if (w) {
            (void)curl_multi_cleanup(w->multi);
        }
        s3e_free(w);
        return s3e_fail(err, S3E_E_NOMEM,
            "libcurl does not start: no memory or no file descriptors");
    }
    *state = w;
    return S3E_OK;
}

/* Signatures and tokens are among them. */
static void wipe_headers(struct transfer *t)
{
    for (struct curl_slist *at = t->headers; at; at = at->next) {
        s3e_wipe(at->data, strlen(at->data));
    }
    curl_slist_free_all(t->headers);
    t->headers = NULL;
}

static void transfer_free(struct transfer *t)
{
    curl_easy_cleanup(t->easy);
    wipe_headers(t);
    s3e_free(t);
}

static void close_wire(void *state)
{
    struct wire *w = state;
    while (w->idle) {
        struct transfer *t = w->idle;
        w->idle = t->next;
        transfer_free(t);
    }
    (void)curl_multi_cleanup(w->multi);
    s3e_free(w);
}

static struct transfer *get_transfer(struct wire *w)
{
    struct transfer *t = w->idle;
    if (t) {
        w->idle = t->next;
        return t;
    }
    if (S3E_NEW(t)) {
        t->easy = curl_easy_init();
        if (!t->easy) {
            s3e_free(t);
            t = NULL;
        }
    }
    return t;
}

/* Its connection stays with the multi handle. After a failure the handle is not
 * used again: libcurl 7.88 then refuses CURLOPT_BUFFERSIZE, as in use. */
static void put_transfer(struct wire *w, struct transfer *t, s3e_rc rc)
{
    CURL *easy = t->easy;
    if (rc) {
        transfer_free(t);
        return;
    }
    curl_easy_reset(easy);
    wipe_headers(t);
    *t = (struct transfer){.easy = easy, .next = w->idle};
    w->idle = t;
}

static s3e_rc explain(struct transfer *t, CURLcode code)
{
    struct s3e_exchange *ex = t->ex;
    struct s3e_err *err = &ex->out.err;
    const struct s3e_span origin = origin_of(ex->in.url);
    const char *text = t->text[0]         ? t->text
                       : code == CURLE_OK ? "its header is cut short"
                                          : curl_easy_strerror(code);
    const size_t got = ex->out.body ? ex->out.body->len : 0;
    if (code == CURLE_OUT_OF_MEMORY) {
        return s3e_fail(err, S3E_E_NOMEM, "libcurl has no memory");
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION && t->ca) {
        return s3e_fail(err, S3E_E_UNREACHABLE,
            "%.*s: %s; the trusted CAs are those of %s, AWS_CA_BUNDLE or "
            "s3_config('ca_bundle', ...) names another file",
            S3E_SPAN_ARG(origin), text, t->ca);
    }
    if (code == CURLE_COULDNT_RESOLVE_HOST) {
        return s3e_fail(err, S3E_E_UNREACHABLE,
            "cannot resolve host %.*s: check the endpoint or region, and the "
            "network",
            S3E_SPAN_ARG(host_of(origin)));
    }
    if (ex->out.status == 0) {
        return s3e_fail(
            err, S3E_E_UNREACHABLE, "%.*s: %s", S3E_SPAN_ARG(origin), text);
    }
    if (t->length > 0 && !is_head(ex)) {
        return s3e_fail(err, S3E_E_IO, "received %zu of %" PRId64 " bytes: %s",
            got, t->length, text);
    }
    return s3e_fail(err, S3E_E_IO, "the answer broke off: %s", text);
}

static s3e_rc add_transfer(struct wire *w, struct transfer *t)
{
    const struct s3e_route *route = t->ex->in.route;
    const int max = or_default(route->max_connections, S3E_CONNECTIONS);
    if (max > w->max_kept &&
        curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)max) == 0) {
        w->max_kept = max;
    }
    if (strncmp(t->ex->in.url, "https:", 6) == 0) {
        const s3e_rc rc =
            s3e_ca_path(&t->ca, route->ca_bundle, &t->ex->out.err);
        if (rc) {
            return rc;
        }
    }
    const CURLcode code = set_options(t);
    if (code) {
        return explain(t, code);
    }
    return curl_multi_add_handle(w->multi, t->easy) == CURLM_OK
               ? S3E_OK
               : explain(t, CURLE_OUT_OF_MEMORY);
}

static s3e_rc begin(void *state, struct s3e_job *job)
{
    struct wire *w = state;
    struct s3e_exchange *ex = job->ex;
    struct transfer *t = get_transfer(w);
    if (!t) {
        return s3e_fail(&ex->out.err, S3E_E_NOMEM, "no memory for a request");
    }
    ex->out.headers = S3E_BUF(HEADERS_MAX);
    t->job = job;
    t->ex = ex;
    t->length = -1;
    t->begun_us = s3e_clock_us();
    const s3e_rc rc = add_transfer(w, t);
    if (rc) {
        put_transfer(w, t, rc);
    } else {
        job->wire = t;
    }
    return rc;
}

static void drop_body(struct s3e_exchange *ex)
{
    s3e_blob_unref(ex->out.body);
    ex->out.body = NULL;
}

static void drop(void *state, struct s3e_job *job)
{
    struct wire *w = state;
    struct transfer *t = job->wire;
    (void)curl_multi_remove_handle(w->multi, t->easy);
    put_transfer(w, t, S3E_E_STOPPED);
    drop_body(job->ex);
}

static void turn(void *state, int timeout_ms)
{
    struct wire *w = state;
    int running = 0;
    (void)curl_multi_poll(w->multi, NULL, 0, timeout_ms, NULL);
    (void)curl_multi_perform(w->multi, &running);
}

static void take_times(const struct transfer *t)
{
    struct s3e_exchange *ex = t->ex;
    curl_off_t sent = 0, first = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
    (void)curl_easy_getinfo(t->easy, CURLINFO_STARTTRANSFER_TIME_T, &first);
    ex->out.first_byte_us = first > sent ? first - sent : 0;
    ex->out.total_us = s3e_clock_us() - t->begun_us;
}

/* How it ended. curl takes a header that is cut short for a whole one. */
static s3e_rc verdict(struct transfer *t, CURLcode code)
{
    if (t->ex->out.rc) {
        return t->ex->out.rc;
    }
    return t->enough || (code == CURLE_OK && t->headers_ended)
               ? S3E_OK
               : explain(t, code);
}

static struct s3e_job *ended(void *state, s3e_rc *rc)
{
    struct wire *w = state;
    int left = 0;
    const CURLMsg *msg = curl_multi_info_read(w->multi, &left);
    if (!msg) {
        return NULL;
    }
    char *user = NULL;
    (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &user);
    struct transfer *t = (void *)user;
    struct s3e_job *job = t->job;
    take_times(t);
    *rc = verdict(t, msg->data.result);
    if (*rc) {
        drop_body(t->ex);
    }
    (void)curl_multi_remove_handle(w->multi, t->easy);
    put_transfer(w, t, t->enough ? S3E_E_LIMIT : *rc);
    return job;
}

static void wake(void *state)
{
    struct wire *w = state;
    (void)curl_multi_wakeup(w->multi);
}

static const struct s3e_wire g_wire = {
    open_wire, close_wire, begin, drop, turn, ended, wake};

static void start(struct s3e_transport *t, struct s3e_exchange *ex)
{
    (void)t;
    s3e_io_start(&g_wire, ex);
}

static void cancel(struct s3e_transport *t, struct s3e_exchange *ex)
{
    (void)t;
    s3e_io_cancel(ex);
}

struct s3e_transport *s3e_http(void)
{
    static struct s3e_transport table = {start, cancel};
    return &table;
}

void s3e_http_shutdown(void)
{
    s3e_io_shutdown(false);
}

void s3e_http_describe(char *out, size_t room)
{
    struct s3e_err err;
    const char *ca = NULL;
    const s3e_rc rc = s3e_ca_path(&ca, NULL, &err);
    (void)snprintf(
        out, room, "%s, trusted CAs %s", curl_version(), rc ? "not found" : ca);
}
