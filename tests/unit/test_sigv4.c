#include "s3vfs/sigv4.h"
#include "tests/harness.h"

#include "base/mem.h"

/* The worked examples of the S3 API reference, "Signature Calculations for the
 * Authorization Header: Transferring Payload in a Single Chunk" and
 * "Authenticating Requests: Using Query Parameters". */
static const struct s3e_sigv4 example = {
    .access_key_id = {(const uint8_t *)"AKIAIOSFODNN7EXAMPLE", 20},
    .secret_access_key = {(const uint8_t *)"wJalrXUtnFEMI/K7MDENG/"
                                           "bPxRfiCYEXAMPLEKEY",
        40},
    .region = {(const uint8_t *)"us-east-1", 9},
    .service = {(const uint8_t *)"s3", 2},
    .unix_s = 1369353600, /* 2013-05-24T00:00:00Z */
};

#define HOST "examplebucket.s3.amazonaws.com"

static const struct s3e_sigv4_header s3_headers[] = {
    {{(const uint8_t *)"Host", 4}, {(const uint8_t *)HOST, sizeof HOST - 1}},
    {{(const uint8_t *)"x-amz-content-sha256", 20},
        {(const uint8_t *)S3E_SHA256_EMPTY, 64}},
    {{(const uint8_t *)"Range", 5}, {(const uint8_t *)"bytes=0-9", 9}},
};

static struct s3e_sigv4_request get(const char *path, const char *query)
{
    return (struct s3e_sigv4_request){
        .method = S3E_LIT("GET"),
        .path = s3e_span_str(path),
        .query = s3e_span_str(query),
        .headers = s3_headers,
        .num_headers = 2,
        .payload = S3E_LIT(S3E_SHA256_EMPTY),
    };
}

/* The last line of `lines`. */
static const char *authorization(const struct s3e_buf *lines)
{
    size_t at = lines->len - 1;
    while (at > 0 && lines->ptr[at - 1]) {
        at--;
    }
    return (const char *)lines->ptr + at;
}

static void the_documented_headers_come_out(void)
{
    static const struct {
        const char *path, *query;
        size_t num_headers;
        const char *names, *signature;
    } cases[] = {
        {"/test.txt", "", 3, "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
        {"/", "lifecycle", 2, "host;x-amz-content-sha256;x-amz-date",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
        {"/", "prefix=J&max-keys=2", 2, "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_err err;
        char want[512];
        struct s3e_buf lines = S3E_BUF(4096);
        struct s3e_sigv4_request req = get(cases[i].path, cases[i].query);
        req.num_headers = cases[i].num_headers;
        CHECK_RC(s3e_sigv4_sign(&lines, &example, &req, &err), S3E_OK, &err);
        (void)snprintf(want, sizeof want,
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/"
            "20130524/us-east-1/s3/aws4_request, SignedHeaders=%s, "
            "Signature=%s",
            cases[i].names, cases[i].signature);
        CHECK_STR((const char *)lines.ptr, "X-Amz-Date: 20130524T000000Z");
        CHECK_STR(authorization(&lines), want);
        s3e_buf_free(&lines);
    }
}

static void the_documented_url_comes_out(void)
{
    struct s3e_err err;
    struct s3e_buf query = S3E_BUF(4096);
    struct s3e_sigv4_request req = get("/test.txt", "");
    req.num_headers = 1;
    req.payload = S3E_LIT("UNSIGNED-PAYLOAD");
    CHECK_RC(
        s3e_sigv4_presign(&query, &example, &req, 86400, &err), S3E_OK, &err);
    CHECK_SPAN(s3e_buf_span(&query),
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
        "AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-SignedHeaders=host"
        "&X-Amz-Expires=86400&X-Amz-Signature="
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    CHECK(s3e_sigv4_presign(&query, &example, &req, 0, &err) == S3E_E_RANGE);
    CHECK(
        s3e_sigv4_presign(&query, &example, &req, 604801, &err) == S3E_E_RANGE);
    s3e_buf_free(&query);
}

static void paths_are_signed_as_they_are(void)
{
    static const char *const paths[] = {"/", "//", "/a/../b", "/./x",
        "/a%20b%2F", "/a//b/", "/%E1%88%B4", "/.", "/.."};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct s3e_err err;
        struct s3e_buf out = S3E_BUF(4096), names = S3E_BUF(4096);
        const struct s3e_sigv4_request req = get(paths[i], "");
        char want[100];
        (void)snprintf(want, sizeof want, "GET\n%s\n\nhost:", paths[i]);
        CHECK_RC(s3e_sigv4_canonical(&out, &names, &req, &err), S3E_OK, &err);
        CHECK(s3e_span_starts(s3e_buf_span(&out), s3e_span_str(want)));
        CHECK_SPAN(s3e_buf_span(&names), "host;x-amz-content-sha256");
        s3e_buf_free(&out);
        s3e_buf_free(&names);
    }
}

static void queries_sort_by_name_then_value(void)
{
    static const struct {
        const char *query, *want;
    } cases[] = {
        {"b=1&a=2&a=1", "a=1&a=2&b=1"},
        {"a-b=1&a=2", "a=2&a-b=1"}, /* '-' is before '=' */
        {"lifecycle&a", "a=&lifecycle="},
        {"&&a=1&", "a=1"},
        {"a=b=c", "a=b=c"},
        {"%20=1&B=2&a=3", "%20=1&B=2&a=3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_err err;
        struct s3e_buf out = S3E_BUF(4096), names = S3E_BUF(4096);
        const struct s3e_sigv4_request req = get("/", cases[i].query);
        char want[100];
        (void)snprintf(want, sizeof want, "GET\n/\n%s\nhost:", cases[i].want);
        CHECK_RC(s3e_sigv4_canonical(&out, &names, &req, &err), S3E_OK, &err);
        in_case(cases[i].query);
        CHECK(s3e_span_starts(s3e_buf_span(&out), s3e_span_str(want)));
        s3e_buf_free(&out);
        s3e_buf_free(&names);
    }
    in_case(NULL);
}

static s3e_rc sign_header(const char *name, const char *value, size_t times)
{
    struct s3e_err err;
    struct s3e_sigv4_header headers[64];
    struct s3e_buf lines = S3E_BUF(4096);
    struct s3e_sigv4_request req = get("/", "");
    for (size_t i = 0; i < times; i++) {
        headers[i] =
            (struct s3e_sigv4_header){s3e_span_str(name), s3e_span_str(value)};
    }
    req.headers = headers;
    req.num_headers = times;
    const s3e_rc rc = s3e_sigv4_sign(&lines, &example, &req, &err);
    s3e_buf_free(&lines);
    return rc;
}

/* A line end in a value would be one more header on the wire. */
static void injected_lines_are_refused(void)
{
    CHECK(sign_header("a", "b\tc", 1) == S3E_OK);
    CHECK(sign_header("a", "b\r\nc: d", 1) == S3E_E_INPUT);
    CHECK(sign_header("a", "b\nc", 1) == S3E_E_INPUT);
    CHECK(sign_header("a\n", "b", 1) == S3E_E_INPUT);
    CHECK(sign_header("a", "b\x7f", 1) == S3E_E_INPUT);
}

static void too_much_is_refused(void)
{
    CHECK(sign_header("a", "b", 31) == S3E_OK);
    CHECK(sign_header("a", "b", 32) == S3E_E_LIMIT);
    CHECK(sign_header("a", "b", 33) == S3E_E_LIMIT);

    struct s3e_err err;
    struct s3e_buf lines = S3E_BUF(4096);
    char query[2 * 65 + 1];
    for (size_t i = 0; i < 65; i++) {
        memcpy(query + 2 * i, "a&", 2);
    }
    query[sizeof query - 1] = '\0';
    struct s3e_sigv4_request req = get("/", query);
    CHECK(s3e_sigv4_sign(&lines, &example, &req, &err) == S3E_E_LIMIT);
    query[2 * 64] = '\0';
    req = get("/", query);
    CHECK_RC(s3e_sigv4_sign(&lines, &example, &req, &err), S3E_OK, &err);

    static uint8_t secret[513];
    memset(secret, 'x', sizeof secret);
    struct s3e_sigv4 who = example;
    who.secret_access_key = (struct s3e_span){secret, sizeof secret};
    CHECK(s3e_sigv4_sign(&lines, &who, &req, &err) == S3E_E_LIMIT);
    CHECK_STR(err.msg, "secret access key exceeds 516 bytes");
    s3e_buf_free(&lines);
}

static s3e_rc sign_both(void *ctx)
{
    (void)ctx;
    struct s3e_err err;
    struct s3e_buf lines = S3E_BUF(4096), query = S3E_BUF(4096);
    const struct s3e_sigv4_request req = get("/k", "a=b");
    struct s3e_sigv4 who = example;
    who.session_token = S3E_LIT("token/+=");
    s3e_rc rc = s3e_sigv4_sign(&lines, &who, &req, &err);
    if (rc == S3E_OK) {
        rc = s3e_sigv4_presign(&query, &who, &req, 60, &err);
    }
    s3e_buf_free(&lines);
    s3e_buf_free(&query);
    return rc;
}

int main(void)
{
    count_allocations();
    the_documented_headers_come_out();
    the_documented_url_comes_out();
    paths_are_signed_as_they_are();
    queries_sort_by_name_then_value();
    injected_lines_are_refused();
    too_much_is_refused();
    sweep_allocations(sign_both, NULL);
    CHECK(live_allocations() == 0);
    return 0;
}
