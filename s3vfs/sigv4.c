#include "s3vfs/sigv4.h"

#include "base/clock.h"
#include "base/mem.h"
#include "s3vfs/uri.h"

enum {
    TEXT_MAX = 64 * 1024, /* bytes of any text made on the way */
    SECRET_MAX = 512,     /* bytes; AWS's have 40 */
    EXPIRES_MAX = 7 * 24 * 3600,
    DATE_LEN = 8 /* YYYYMMDD, the beginning of the time */
};

#define ALGORITHM "AWS4-HMAC-SHA256"

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

/* ---- The canonical request ---- */

struct param {
    struct s3e_span name, value;
};

/* Takes the bytes before `stop` off the front of `s`, and `stop` too. */
static struct s3e_span cut_at(struct s3e_span *s, uint8_t stop)
{
    const uint8_t *at = s->len ? memchr(s->ptr, stop, s->len) : NULL;
    const size_t len = at ? (size_t)(at - s->ptr) : s->len;
    const struct s3e_span piece = {s->ptr, len};
    *s = s3e_span_from(*s, at ? len + 1 : len);
    return piece;
}

/* By name, then by value: a comparison of whole "name=value" texts would put
 * "a-b=" before "a=". */
static int param_cmp(const struct param *a, const struct param *b)
{
    const int order = s3e_span_cmp(a->name, b->name);
    return order ? order : s3e_span_cmp(a->value, b->value);
}

static s3e_rc add_query(
    struct s3e_buf *out, struct s3e_span query, struct s3e_err *err)
{
    struct param params[S3E_SIGV4_PARAMS_MAX];
    size_t count = 0;
    while (query.len) {
        struct param p = {.value = cut_at(&query, '&')};
        p.name = cut_at(&p.value, '=');
        if (p.name.len == 0 && p.value.len == 0) {
            continue;
        }
        if (count == S3E_SIGV4_PARAMS_MAX) {
            return s3e_fail(err, S3E_E_LIMIT,
                "a query of more than %d parameters", S3E_SIGV4_PARAMS_MAX);
        }
        size_t at = count++;
        for (; at > 0 && param_cmp(&p, &params[at - 1]) < 0; at--) {
            params[at] = params[at - 1];
        }
        params[at] = p;
    }
    for (size_t i = 0; i < count; i++) {
        s3e_buf_add_str(out, i ? "&" : "");
        s3e_buf_add(out, params[i].name);
        s3e_buf_add_byte(out, '=');
        s3e_buf_add(out, params[i].value);
    }
    return S3E_OK;
}

static int name_cmp(struct s3e_span a, struct s3e_span b)
{
    const size_t len = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i])) {
            return lower(a.ptr[i]) - lower(b.ptr[i]);
        }
    }
    return (a.len > b.len) - (a.len < b.len);
}

/* A line end in a value would be a header of its own on the wire. */
static s3e_rc check_header(
    const struct s3e_sigv4_header *header, struct s3e_err *err)
{
    const struct s3e_span texts[] = {header->name, header->value};
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < texts[t].len; i++) {
            const uint8_t c = texts[t].ptr[i];
            if ((c < 0x20 && c != '\t') || c == 0x7f) {
                return s3e_fail(err, S3E_E_INPUT,
                    "header %.*s: control character 0x%02x",
                    S3E_SPAN_ARG(header->name), (unsigned)c);
            }
        }
    }
    return S3E_OK;
}

/* Without blanks at the ends, and one for each run of them within. */
static void add_value(struct s3e_buf *out, struct s3e_span value)
{
    bool begun = false, blank = false;
    for (size_t i = 0; i < value.len; i++) {
        const uint8_t c = value.ptr[i];
        if (c == ' ' || c == '\t') {
            blank = begun;
            continue;
        }
        s3e_buf_add_str(out, blank ? " " : "");
        s3e_buf_add_byte(out, c);
        begun = true;
        blank = false;
    }
}

static s3e_rc sort_headers(const struct s3e_sigv4_header **sorted,
    const struct s3e_sigv4_request *req, struct s3e_err *err)
{
    for (size_t i = 0; i < req->num_headers; i++) {
        const struct s3e_sigv4_header *header = &req->headers[i];
        const s3e_rc rc = check_header(header, err);
        if (rc) {
            return rc;
        }
        size_t at = i;
        for (; at > 0 && name_cmp(header->name, sorted[at - 1]->name) < 0;
             at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = header;
    }
    return S3E_OK;
}

/* Headers of one name become one, their values joined in the order sent. */
static s3e_rc add_headers(struct s3e_buf *out, struct s3e_buf *names,
    const struct s3e_sigv4_request *req, struct s3e_err *err)
{
    const struct s3e_sigv4_header *sorted[S3E_SIGV4_HEADERS_MAX];
    if (req->num_headers > S3E_SIGV4_HEADERS_MAX) {
        return s3e_fail(err, S3E_E_LIMIT,
            "a request of %zu headers; at most %d are signed", req->num_headers,
            S3E_SIGV4_HEADERS_MAX);
    }
    const s3e_rc rc = sort_headers(sorted, req, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < req->num_headers; i++) {
        const struct s3e_span name = sorted[i]->name;
        if (i && name_cmp(name, sorted[i - 1]->name) == 0) {
            s3e_buf_add_byte(out, ',');
        } else {
            s3e_buf_add_str(out, i ? "\n" : "");
            s3e_buf_add_str(names, i ? ";" : "");
            for (size_t c = 0; c < name.len; c++) {
                s3e_buf_add_byte(out, lower(name.ptr[c]));
                s3e_buf_add_byte(names, lower(name.ptr[c]));
            }
            s3e_buf_add_byte(out, ':');
        }
        add_value(out, sorted[i]->value);
    }
    s3e_buf_add_str(out, req->num_headers ? "\n" : "");
    return S3E_OK;
}

s3e_rc s3e_sigv4_canonical(struct s3e_buf *out, struct s3e_buf *names,
    const struct s3e_sigv4_request *req, struct s3e_err *err)
{
    s3e_buf_add(out, req->method);
    s3e_buf_add_byte(out, '\n');
    s3e_buf_add(out, req->path);
    s3e_buf_add_byte(out, '\n');
    s3e_rc rc = add_query(out, req->query, err);
    s3e_buf_add_byte(out, '\n');
    if (rc == S3E_OK) {
        rc = add_headers(out, names, req, err);
    }
    if (rc == S3E_OK) {
        rc = s3e_buf_check(names, "names of the headers to sign", err);
    }
    s3e_buf_add_byte(out, '\n');
    s3e_buf_add(out, s3e_buf_span(names));
    s3e_buf_add_byte(out, '\n');
    s3e_buf_add(out, req->payload);
    return rc ? rc : s3e_buf_check(out, "request to sign", err);
}

/* ---- The string to sign and its signature ---- */

static void add_scope(
    struct s3e_buf *out, const struct s3e_sigv4 *who, const char *time)
{
    s3e_buf_add(out, (struct s3e_span){(const uint8_t *)time, DATE_LEN});
    s3e_buf_add_byte(out, '/');
    s3e_buf_add(out, who->region);
    s3e_buf_add_byte(out, '/');
    s3e_buf_add(out, who->service);
    s3e_buf_add_str(out, "/aws4_request");
}

s3e_rc s3e_sigv4_to_sign(struct s3e_buf *out, const struct s3e_sigv4 *who,
    struct s3e_span canonical, struct s3e_err *err)
{
    uint8_t digest[S3E_SHA256_LEN];
    char hex[S3E_SHA256_HEX], time[S3E_TIME_LEN + 1];
    const s3e_rc rc = s3e_sha256(digest, canonical, err);
    if (rc) {
        return rc;
    }
    s3e_sha256_hex(hex, digest);
    s3e_time_format(time, who->unix_s, 1);
    s3e_buf_add_str(out, ALGORITHM "\n");
    s3e_buf_add_str(out, time);
    s3e_buf_add_byte(out, '\n');
    add_scope(out, who, time);
    s3e_buf_add_byte(out, '\n');
    s3e_buf_add_str(out, hex);
    return s3e_buf_check(out, "string to sign", err);
}

/* Each step keys the next, from the secret to the signature, so that what one
 * step leaks is good for one day, region and service only. */
s3e_rc s3e_sigv4_signature(char out[S3E_SHA256_HEX],
    const struct s3e_sigv4 *who, struct s3e_span to_sign, struct s3e_err *err)
{
    char time[S3E_TIME_LEN + 1];
    uint8_t key[S3E_SHA256_LEN] = {0};
    s3e_time_format(time, who->unix_s, 1);
    const struct s3e_span steps[] = {{(const uint8_t *)time, DATE_LEN},
        who->region, who->service, S3E_LIT("aws4_request"), to_sign};
    struct s3e_buf first = S3E_BUF(4 + SECRET_MAX);
    s3e_buf_add_str(&first, "AWS4");
    s3e_buf_add(&first, who->secret_access_key);
    s3e_rc rc = s3e_buf_check(&first, "secret access key", err);
    struct s3e_span with = s3e_buf_span(&first);
    for (size_t i = 0; rc == S3E_OK && i < sizeof steps / sizeof *steps; i++) {
        rc = s3e_hmac_sha256(key, with, steps[i], err);
        with = (struct s3e_span){key, sizeof key};
    }
    if (rc == S3E_OK) {
        s3e_sha256_hex(out, key);
    }
    s3e_wipe(key, sizeof key);
    s3e_buf_free(&first);
    return rc;
}

/* ---- Both forms ---- */

/* Canonical request to signature; `names` as s3e_sigv4_canonical. */
static s3e_rc sign_request(char out[S3E_SHA256_HEX], struct s3e_buf *names,
    const struct s3e_sigv4 *who, const struct s3e_sigv4_request *req,
    struct s3e_err *err)
{
    struct s3e_buf canonical = S3E_BUF(TEXT_MAX);
    struct s3e_buf to_sign = S3E_BUF(TEXT_MAX);
    s3e_rc rc = s3e_sigv4_canonical(&canonical, names, req, err);
    if (rc == S3E_OK) {
        rc = s3e_sigv4_to_sign(&to_sign, who, s3e_buf_span(&canonical), err);
    }
    if (rc == S3E_OK) {
        rc = s3e_sigv4_signature(out, who, s3e_buf_span(&to_sign), err);
    }
    s3e_buf_free(&canonical);
    s3e_buf_free(&to_sign);
    return rc;
}

static void add_line(
    struct s3e_buf *lines, const struct s3e_sigv4_header *header)
{
    s3e_buf_add(lines, header->name);
    s3e_buf_add_str(lines, ": ");
    s3e_buf_add(lines, header->value);
    s3e_buf_add_byte(lines, '\0');
}

s3e_rc s3e_sigv4_sign(struct s3e_buf *lines, const struct s3e_sigv4 *who,
    const struct s3e_sigv4_request *req, struct s3e_err *err)
{
    char time[S3E_TIME_LEN + 1], signature[S3E_SHA256_HEX];
    struct s3e_sigv4_header headers[S3E_SIGV4_HEADERS_MAX];
    struct s3e_sigv4_request all = *req;
    struct s3e_buf names = S3E_BUF(TEXT_MAX);
    const size_t added = who->session_token.len ? 2 : 1;
    if (req->num_headers > S3E_SIGV4_HEADERS_MAX - added) {
        return s3e_fail(err, S3E_E_LIMIT,
            "a request of %zu headers; at most %zu are signed",
            req->num_headers, S3E_SIGV4_HEADERS_MAX - added);
    }
    s3e_time_format(time, who->unix_s, 1);
    headers[0] =
        (struct s3e_sigv4_header){S3E_LIT("X-Amz-Date"), s3e_span_str(time)};
    headers[1] = (struct s3e_sigv4_header){
        S3E_LIT("X-Amz-Security-Token"), who->session_token};
    if (req->num_headers) {
        memcpy(
            headers + added, req->headers, req->num_headers * sizeof *headers);
    }
    all.headers = headers;
    all.num_headers = req->num_headers + added;
    s3e_rc rc = sign_request(signature, &names, who, &all, err);
    if (rc == S3E_OK) {
        for (size_t i = 0; i < added; i++) {
            add_line(lines, &headers[i]);
        }
        s3e_buf_add_str(lines, "Authorization: " ALGORITHM " Credential=");
        s3e_buf_add(lines, who->access_key_id);
        s3e_buf_add_byte(lines, '/');
        add_scope(lines, who, time);
        s3e_buf_add_str(lines, ", SignedHeaders=");
        s3e_buf_add(lines, s3e_buf_span(&names));
        s3e_buf_add_str(lines, ", Signature=");
        s3e_buf_add_str(lines, signature);
        s3e_buf_add_byte(lines, '\0');
        rc = s3e_buf_check(lines, "headers of a request", err);
    }
    s3e_buf_free(&names);
    return rc;
}

/* Appends the parameters that a presigned url has, without the signature. */
static s3e_rc add_params(struct s3e_buf *query, const struct s3e_sigv4 *who,
    const struct s3e_sigv4_request *req, unsigned expires_s,
    struct s3e_err *err)
{
    char time[S3E_TIME_LEN + 1];
    struct s3e_buf ignored = S3E_BUF(TEXT_MAX), names = S3E_BUF(TEXT_MAX);
    struct s3e_buf scope = S3E_BUF(TEXT_MAX);
    s3e_time_format(time, who->unix_s, 1);
    s3e_rc rc = add_headers(&ignored, &names, req, err);
    s3e_buf_add(&scope, who->access_key_id);
    s3e_buf_add_byte(&scope, '/');
    add_scope(&scope, who, time);
    if (rc == S3E_OK) {
        rc = s3e_buf_check(&scope, "scope of a signature", err);
    }
    if (rc == S3E_OK) {
        rc = s3e_buf_check(&names, "names of the headers to sign", err);
    }
    s3e_buf_add(query, req->query);
    s3e_buf_add_str(query, req->query.len ? "&" : "");
    s3e_buf_add_str(query, "X-Amz-Algorithm=" ALGORITHM "&X-Amz-Credential=");
    s3e_uri_encode(query, s3e_buf_span(&scope), false);
    s3e_buf_printf(query, "&X-Amz-Date=%s&X-Amz-SignedHeaders=", time);
    s3e_uri_encode(query, s3e_buf_span(&names), false);
    s3e_buf_printf(query, "&X-Amz-Expires=%u", expires_s);
    if (who->session_token.len) {
        s3e_buf_add_str(query, "&X-Amz-Security-Token=");
        s3e_uri_encode(query, who->session_token, false);
    }
    s3e_buf_free(&ignored);
    s3e_buf_free(&names);
    s3e_buf_free(&scope);
    return rc ? rc : s3e_buf_check(query, "query of a request", err);
}

s3e_rc s3e_sigv4_presign(struct s3e_buf *query, const struct s3e_sigv4 *who,
    const struct s3e_sigv4_request *req, unsigned expires_s,
    struct s3e_err *err)
{
    char signature[S3E_SHA256_HEX];
    struct s3e_buf names = S3E_BUF(TEXT_MAX);
    const size_t begin = query->len;
    if (expires_s < 1 || expires_s > EXPIRES_MAX) {
        return s3e_fail(err, S3E_E_RANGE,
            "a url good for %u seconds; 1 to %d are possible", expires_s,
            EXPIRES_MAX);
    }
    s3e_rc rc = add_params(query, who, req, expires_s, err);
    if (rc == S3E_OK) {
        struct s3e_sigv4_request all = *req;
        all.query = s3e_span_from(s3e_buf_span(query), begin);
        rc = sign_request(signature, &names, who, &all, err);
    }
    if (rc == S3E_OK) {
        s3e_buf_add_str(query, "&X-Amz-Signature=");
        s3e_buf_add_str(query, signature);
        rc = s3e_buf_check(query, "query of a request", err);
    }
    s3e_buf_free(&names);
    return rc;
}
