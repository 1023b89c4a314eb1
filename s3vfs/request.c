#include "s3vfs/request.h"

#include "base/clock.h"
#include "s3vfs/answer.h"
#include "s3vfs/retry.h"
#include "s3vfs/sigv4.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    LINES_MAX = 32768,
    SIGNED_MAX = 8,
    SHOWN_MAX = 200, /* bytes of a key in a message */
    ETAG_MAX = 1024,
    QUERY_MAX = 16384
};

static void copy(char *out, size_t room, const char *text)
{
    (void)snprintf(out, room, "%s", text ? text : "");
}

static void finish(struct s3e_request *r, s3e_rc rc)
{
    r->out.rc = rc;
    r->out.retries = r->own.attempts > 1 ? r->own.attempts - 1 : 0;
    r->in.done(r);
}

/* Puts the object's uri, cut to a length that leaves room for the reason,
 * before the sentence. */
static s3e_rc name_object(struct s3e_request *r, s3e_rc rc)
{
    struct s3e_span key = s3e_buf_span(&r->own.key);
    const bool cut = key.len > SHOWN_MAX;
    if (cut) {
        key.len = SHOWN_MAX;
        while (key.len && (key.ptr[key.len] & 0xc0) == 0x80) {
            key.len--;
        }
    }
    return s3e_prefix(&r->out.err, rc, "s3://%s%s%.*s%s", r->in.bucket,
        *r->in.bucket ? "/" : "", S3E_SPAN_ARG(key), cut ? "..." : "");
}

/* ---- what is sent ---- */

/* A line "name: value" for the wire; what S3 gave us may hold no line's end. */
static s3e_rc add_line(struct s3e_buf *lines, struct s3e_span name,
    struct s3e_span value, struct s3e_err *err)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < ' ' || value.ptr[i] == 0x7f) {
            return s3e_fail(err, S3E_E_INPUT,
                "header %.*s holds a control character", S3E_SPAN_ARG(name));
        }
    }
    s3e_buf_add(lines, name);
    s3e_buf_add_str(lines, ": ");
    s3e_buf_add(lines, value);
    s3e_buf_add_byte(lines, '\0');
    return S3E_OK;
}

/* The headers that are signed beside the host. */
static size_t amz_headers(
    const struct s3e_request *r, struct s3e_sigv4_header out[SIGNED_MAX])
{
    const struct s3e_account_info *info = s3e_account_info(r->in.account);
    size_t num = 0;
    out[num++] = (struct s3e_sigv4_header){
        S3E_LIT("x-amz-content-sha256"), S3E_LIT(S3E_SHA256_EMPTY)};
    if (info->request_payer && *r->in.bucket) {
        out[num++] = (struct s3e_sigv4_header){
            S3E_LIT("x-amz-request-payer"), s3e_span_str(info->request_payer)};
    }
    if (info->expected_bucket_owner && *r->in.bucket) {
        out[num++] =
            (struct s3e_sigv4_header){S3E_LIT("x-amz-expected-bucket-owner"),
                s3e_span_str(info->expected_bucket_owner)};
    }
    return num;
}

static s3e_rc add_range(struct s3e_request *r)
{
    char text[64];
    const uint64_t room = UINT64_MAX - r->in.offset;
    const uint64_t more = r->in.length - 1 < room ? r->in.length - 1 : room;
    (void)snprintf(text, sizeof text, "bytes=%" PRIu64 "-%" PRIu64,
        r->in.offset, r->in.offset + more);
    return add_line(
        &r->own.lines, S3E_LIT("Range"), s3e_span_str(text), &r->out.err);
}

static s3e_rc add_if_match(struct s3e_request *r)
{
    struct s3e_buf etag = S3E_BUF(ETAG_MAX + 2);
    s3e_buf_add_byte(&etag, '"');
    s3e_buf_add(&etag, s3e_buf_span(&r->own.etag));
    s3e_buf_add_byte(&etag, '"');
    s3e_rc rc = s3e_buf_check(&etag, "ETag", &r->out.err);
    if (!rc) {
        rc = add_line(&r->own.lines, S3E_LIT("If-Match"), s3e_buf_span(&etag),
            &r->out.err);
    }
    s3e_buf_free(&etag);
    return rc;
}

/* The lines that are signed beside the host, and their signature. */
static s3e_rc add_signed(
    struct s3e_request *r, const struct s3e_credentials *who)
{
    struct s3e_sigv4_header headers[SIGNED_MAX];
    const struct s3e_sigv4_request req = {.method = s3e_span_str(r->in.method),
        .path = s3e_address_path(&r->own.address),
        .query = s3e_buf_span(&r->own.query),
        .headers = headers,
        .num_headers = amz_headers(r, headers) + 1,
        .payload = S3E_LIT(S3E_SHA256_EMPTY)};
    for (size_t i = 0; i + 1 < req.num_headers; i++) {
        const s3e_rc rc = add_line(
            &r->own.lines, headers[i].name, headers[i].value, &r->out.err);
        if (rc) {
            return rc;
        }
    }
    if (who->anonymous) {
        return S3E_OK;
    }
    headers[req.num_headers - 1] = (struct s3e_sigv4_header){
        S3E_LIT("host"), s3e_address_host(&r->own.address)};
    const struct s3e_sigv4 sign = {
        .access_key_id = s3e_span_str(who->access_key_id),
        .secret_access_key = s3e_span_str(who->secret_access_key),
        .session_token = s3e_span_str(who->session_token),
        .region = s3e_span_str(r->own.region),
        .service = S3E_LIT("s3"),
        .unix_s = s3e_clock_unix()};
    return s3e_sigv4_sign(&r->own.lines, &sign, &req, &r->out.err);
}

static s3e_rc make_lines(struct s3e_request *r)
{
    struct s3e_credentials who = {0};
    s3e_rc rc = s3e_account_credentials(r->in.account, &who, &r->out.err);
    if (rc) {
        goto done;
    }
    copy(r->own.source, sizeof r->own.source, who.source);
    copy(r->own.access_key_id, sizeof r->own.access_key_id, who.access_key_id);
    rc = add_signed(r, &who);
    if (!rc && r->in.length) {
        rc = add_range(r);
    }
    if (!rc && r->own.etag.len) {
        rc = add_if_match(r);
    }
    rc = rc ? rc : s3e_buf_check(&r->own.lines, "headers", &r->out.err);
done:
    s3e_credentials_deinit(&who);
    return rc;
}

static void point_at_lines(struct s3e_request *r)
{
    const size_t max = sizeof r->own.headers / sizeof *r->own.headers - 1;
    const char *line = (const char *)r->own.lines.ptr;
    const char *end = line + r->own.lines.len;
    size_t num = 0;
    for (; line < end; line += strlen(line) + 1) {
        assert(num < max);
        r->own.headers[num++] = line;
    }
    r->own.headers[num] = NULL;
}

/* Makes the exchange of what is to be sent now: the request, or the probe for
 * the bucket's region, which needs no signature: S3 names the region even to
 * those whom it refuses. */
static s3e_rc prepare(struct s3e_request *r)
{
    const bool probe = r->own.probe == S3E_PROBE_NOW;
    const struct s3e_account_info *info = s3e_account_info(r->in.account);
    s3e_account_region(
        r->in.account, r->in.bucket, r->own.region, sizeof r->own.region);
    const struct s3e_address_args at = {.endpoint_url = info->endpoint_url,
        .style = info->addressing_style,
        .region = r->own.region,
        .bucket = r->in.bucket,
        .key = probe ? (struct s3e_span){0} : s3e_buf_span(&r->own.key)};
    s3e_buf_clear(&r->own.lines);
    s3e_rc rc = s3e_address_make(&r->own.address, &at, &r->out.err);
    if (!rc && !probe) {
        rc = make_lines(r);
    }
    if (rc) {
        return rc;
    }
    s3e_buf_clear(&r->own.url);
    s3e_buf_add(&r->own.url, s3e_buf_span(&r->own.address.url));
    if (r->own.query.len && !probe) {
        s3e_buf_add_byte(&r->own.url, '?');
        s3e_buf_add(&r->own.url, s3e_buf_span(&r->own.query));
    }
    s3e_buf_add_byte(&r->own.url, '\0');
    point_at_lines(r);
    r->ex.in.method = probe ? "HEAD" : r->in.method;
    r->ex.in.url = (const char *)r->own.url.ptr;
    r->ex.in.headers = r->own.headers;
    r->ex.in.route = &info->route;
    r->ex.in.max_body = probe ? 0 : r->in.max_body;
    return s3e_buf_check(&r->own.url, "URL", &r->out.err);
}

static void on_answer(struct s3e_exchange *ex);

static void send(struct s3e_request *r, int delay_ms)
{
    struct s3e_transport *t = s3e_account_info(r->in.account)->transport;
    s3e_exchange_reset(&r->ex);
    const s3e_rc rc = prepare(r);
    if (rc) {
        finish(r, name_object(r, rc));
        return;
    }
    r->ex.in.delay_ms = delay_ms;
    r->ex.in.done = on_answer;
    r->ex.in.user = r;
    t->start(t, &r->ex);
}

/* ---- what is answered ---- */

/* "AccessDenied (403) from http://host:9000 after 3 attempts with credentials
 * from environment, region eu-west-3 (request id ...)"; without "from" at
 * AWS's own endpoints. */
static s3e_rc explain(struct s3e_request *r, const struct s3e_refusal *no)
{
    char attempts[32] = "", id[80] = "";
    const char *endpoint = s3e_account_info(r->in.account)->endpoint_url;
    const bool anonymous = !r->own.access_key_id[0];
    if (r->own.attempts > 1) {
        (void)snprintf(
            attempts, sizeof attempts, " after %u attempts", r->own.attempts);
    }
    if (no->xml.request_id[0]) {
        (void)snprintf(id, sizeof id, " (request id %s)", no->xml.request_id);
    }
    (void)s3e_fail(&r->out.err, no->rc, "%s (%d)%s%s%s %s%s, region %s%s%s%s",
        no->xml.code, no->status, endpoint ? " from " : "",
        endpoint ? endpoint : "", attempts,
        anonymous ? "without credentials" : "with credentials from ",
        anonymous ? "" : r->own.source, r->own.region, id,
        no->hint[0] ? ": " : "", no->hint);
    (void)name_object(r, no->rc);
    copy(r->out.err.code, sizeof r->out.err.code, no->xml.code);
    return no->rc;
}

/* The bucket's region as it is known now, where it is not the one that was
 * signed for: told by the answer, or learned by another request meanwhile. */
static bool region_is_new(struct s3e_request *r, const struct s3e_refusal *no)
{
    char known[S3E_REGION_MAX];
    if (no->region[0]) {
        s3e_account_learn_region(r->in.account, r->in.bucket, no->region);
    }
    s3e_account_region(r->in.account, r->in.bucket, known, sizeof known);
    return strcmp(known, r->own.region) != 0;
}

/* True where the request goes out again, or a probe for its region does. */
static bool follow_region(struct s3e_request *r, const struct s3e_refusal *no)
{
    if (r->own.moved || !no->elsewhere || !*r->in.bucket) {
        return false;
    }
    if (region_is_new(r, no)) {
        r->own.moved = true;
        r->own.attempts = 0;
        r->own.probe = S3E_PROBE_DONE;
        send(r, 0);
        return true;
    }
    if (no->region[0] || r->own.probe != S3E_PROBE_NONE) {
        return false;
    }
    r->own.failed = explain(r, no);
    r->own.probe = S3E_PROBE_NOW;
    send(r, 0);
    return true;
}

/* True where it goes out again. */
static bool try_again(struct s3e_request *r, const struct s3e_retry_facts *how)
{
    struct s3e_retry_facts facts = *how;
    uint64_t seed = (uint64_t)s3e_clock_us() ^ (uint64_t)(uintptr_t)r;
    facts.attempts = r->own.attempts;
    facts.max_attempts = s3e_account_info(r->in.account)->max_attempts;
    const int wait_ms = s3e_retry_wait_ms(&facts, s3e_retry_dice(&seed));
    if (wait_ms >= 0) {
        send(r, wait_ms);
    }
    return wait_ms >= 0;
}

static void on_refusal(struct s3e_request *r)
{
    struct s3e_refusal no;
    s3e_refusal_read(&no, &r->ex);
    if (follow_region(r, &no)) {
        return;
    }
    if (no.expired) {
        s3e_account_expire(r->in.account, r->own.access_key_id);
    }
    const struct s3e_retry_facts facts = {.status = no.status,
        .code = s3e_span_str(no.xml.code),
        .after_s = no.retry_after_s};
    if (!try_again(r, &facts)) {
        finish(r, explain(r, &no));
    }
}

/* No whole answer came, or not one that can be read: `rc` and out.err say. */
static void on_failure(struct s3e_request *r, s3e_rc rc)
{
    const struct s3e_retry_facts facts = {
        .rc = rc == S3E_E_FORMAT ? S3E_E_IO : rc, .after_s = -1};
    if (!try_again(r, &facts)) {
        if (r->own.attempts > 1 && rc != S3E_E_STOPPED) {
            (void)s3e_prefix(
                &r->out.err, rc, "after %u attempts", r->own.attempts);
        }
        finish(r, name_object(r, rc));
    }
}

/* A 2xx answer; S3 also says <Error> with 200. */
static void on_success(struct s3e_request *r)
{
    struct s3e_xml_error xml;
    struct s3e_err ignored;
    const s3e_rc rc = r->in.accept ? r->in.accept(r, &r->out.err) : S3E_OK;
    if (rc == S3E_OK) {
        finish(r, S3E_OK);
    } else if (rc == S3E_E_FORMAT &&
               s3e_xml_error(&xml, s3e_blob_span(r->ex.out.body), &ignored) ==
                   S3E_OK) {
        on_refusal(r);
    } else {
        on_failure(r, rc);
    }
}

/* A HEAD has no body: a 400 that the region does not explain is how it says
 * that a session token expired. */
static void expire_unexplained(struct s3e_request *r)
{
    if (strcmp(r->out.err.code, "BadRequest") == 0) {
        s3e_account_expire(r->in.account, r->own.access_key_id);
    }
}

/* The bucket was asked where it is. Where that says nothing new, the failure
 * before the probe stands. */
static void on_probe(struct s3e_request *r)
{
    struct s3e_refusal where;
    s3e_refusal_read(&where, &r->ex);
    r->own.probe = S3E_PROBE_DONE;
    if (r->ex.out.rc == S3E_E_STOPPED) {
        r->out.err = r->ex.out.err;
        finish(r, name_object(r, S3E_E_STOPPED));
    } else if (!follow_region(r, &where)) {
        expire_unexplained(r);
        finish(r, r->own.failed);
    }
}

static void on_answer(struct s3e_exchange *ex)
{
    struct s3e_request *r = ex->in.user;
    if (r->own.probe == S3E_PROBE_NOW) {
        on_probe(r);
        return;
    }
    r->own.attempts++;
    if (ex->out.rc) {
        r->out.err = ex->out.err;
        on_failure(r, ex->out.rc);
    } else if (ex->out.status / 100 == 2) {
        on_success(r);
    } else {
        on_refusal(r);
    }
}

/* ---- its life ---- */

void s3e_request_start(struct s3e_request *r)
{
    r->own.key = S3E_BUF(S3E_KEY_MAX);
    r->own.query = S3E_BUF(QUERY_MAX);
    r->own.etag = S3E_BUF(ETAG_MAX);
    r->own.address = S3E_ADDRESS;
    r->own.url = S3E_BUF(S3E_URL_MAX + QUERY_MAX);
    r->own.lines = S3E_BUF(LINES_MAX);
    s3e_buf_add(&r->own.key, r->in.key);
    s3e_buf_add(&r->own.query, r->in.query);
    s3e_buf_add(&r->own.etag, r->in.etag);
    s3e_rc rc = s3e_buf_check(&r->own.key, "key", &r->out.err);
    rc = rc ? rc : s3e_buf_check(&r->own.query, "query", &r->out.err);
    rc = rc ? rc : s3e_buf_check(&r->own.etag, "ETag", &r->out.err);
    if (rc) {
        finish(r, name_object(r, rc));
    } else {
        send(r, 0);
    }
}

void s3e_request_cancel(struct s3e_request *r)
{
    struct s3e_transport *t = s3e_account_info(r->in.account)->transport;
    t->cancel(t, &r->ex);
}

void s3e_request_deinit(struct s3e_request *r)
{
    s3e_exchange_reset(&r->ex);
    s3e_buf_free(&r->own.key);
    s3e_buf_free(&r->own.query);
    s3e_buf_free(&r->own.etag);
    s3e_buf_free(&r->own.address.url);
    s3e_buf_free(&r->own.url);
    s3e_buf_free(&r->own.lines);
}
