#include "s3vfs/address.h"

#include "tests/harness.h"

static void test_urls(void)
{
    static const struct {
        const char *endpoint, *style, *region, *bucket, *key, *url, *host,
            *path;
    } cases[] = {
        {NULL, "auto", "us-east-1", "b", "k",
            "https://b.s3.us-east-1.amazonaws.com/k",
            "b.s3.us-east-1.amazonaws.com", "/k"},
        {NULL, "auto", "eu-west-3", "b", "",
            "https://b.s3.eu-west-3.amazonaws.com/",
            "b.s3.eu-west-3.amazonaws.com", "/"},
        /* No certificate covers a bucket with dots. */
        {NULL, "auto", "eu-west-3", "my.bucket", "k",
            "https://s3.eu-west-3.amazonaws.com/my.bucket/k",
            "s3.eu-west-3.amazonaws.com", "/my.bucket/k"},
        {NULL, "virtual", "eu-west-3", "my.bucket", "k",
            "https://my.bucket.s3.eu-west-3.amazonaws.com/k",
            "my.bucket.s3.eu-west-3.amazonaws.com", "/k"},
        {NULL, "path", "eu-west-3", "b", "k",
            "https://s3.eu-west-3.amazonaws.com/b/k",
            "s3.eu-west-3.amazonaws.com", "/b/k"},
        {NULL, "auto", "us-east-1", "", "",
            "https://s3.us-east-1.amazonaws.com/", "s3.us-east-1.amazonaws.com",
            "/"},
        {NULL, "auto", "cn-north-1", "b", "k",
            "https://b.s3.cn-north-1.amazonaws.com.cn/k",
            "b.s3.cn-north-1.amazonaws.com.cn", "/k"},
        {NULL, "auto", "us-gov-west-1", "b", "k",
            "https://b.s3.us-gov-west-1.amazonaws.com/k",
            "b.s3.us-gov-west-1.amazonaws.com", "/k"},
        {NULL, "auto", "us-iso-east-1", "b", "k",
            "https://b.s3.us-iso-east-1.c2s.ic.gov/k",
            "b.s3.us-iso-east-1.c2s.ic.gov", "/k"},
        {NULL, "auto", "us-isob-east-1", "b", "k",
            "https://b.s3.us-isob-east-1.sc2s.sgov.gov/k",
            "b.s3.us-isob-east-1.sc2s.sgov.gov", "/k"},
        /* An endpoint of one's own: by path, unless asked otherwise. */
        {"http://127.0.0.1:9000", "auto", "us-east-1", "b", "k",
            "http://127.0.0.1:9000/b/k", "127.0.0.1:9000", "/b/k"},
        {"http://127.0.0.1:9000/", "auto", "us-east-1", "b", "",
            "http://127.0.0.1:9000/b", "127.0.0.1:9000", "/b"},
        {"http://127.0.0.1:9000", "auto", "us-east-1", "", "",
            "http://127.0.0.1:9000/", "127.0.0.1:9000", "/"},
        {"http://s3.localhost:9000", "virtual", "us-east-1", "b", "k",
            "http://b.s3.localhost:9000/k", "b.s3.localhost:9000", "/k"},
        {"https://host/some/path/", "auto", "us-east-1", "b", "k",
            "https://host/some/path/b/k", "host", "/some/path/b/k"},
        /* The Host header has no default port. */
        {"https://host:443", "auto", "us-east-1", "b", "k", "https://host/b/k",
            "host", "/b/k"},
        {"http://host:80", "auto", "us-east-1", "b", "k", "http://host/b/k",
            "host", "/b/k"},
        {"http://host:443", "auto", "us-east-1", "b", "k",
            "http://host:443/b/k", "host:443", "/b/k"},
        /* Each byte of a key but the unreserved ones and '/'. */
        {"http://h", "auto", "us-east-1", "b", "a b+c%d?e#f/../g//h",
            "http://h/b/a%20b%2Bc%25d%3Fe%23f/../g//h", "h",
            "/b/a%20b%2Bc%25d%3Fe%23f/../g//h"},
        {"http://h", "auto", "us-east-1", "b", "/\xc3\xa9\r\n",
            "http://h/b//%C3%A9%0D%0A", "h", "/b//%C3%A9%0D%0A"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_address address = S3E_ADDRESS;
        struct s3e_err err;
        const struct s3e_address_args args = {cases[i].endpoint, cases[i].style,
            cases[i].region, cases[i].bucket, s3e_span_str(cases[i].key)};
        in_case(cases[i].url);
        for (int round = 0; round < 2; round++) { /* made anew, it forgets */
            CHECK_RC(s3e_address_make(&address, &args, &err), S3E_OK, &err);
            CHECK_SPAN(s3e_buf_span(&address.url), cases[i].url);
            CHECK_SPAN(s3e_address_host(&address), cases[i].host);
            CHECK_SPAN(s3e_address_path(&address), cases[i].path);
        }
        s3e_buf_free(&address.url);
    }
    in_case(NULL);
}

static void test_refused(void)
{
    static const struct {
        const char *endpoint, *region;
    } cases[] = {
        {"ftp://host", "us-east-1"},
        {"host:9000", "us-east-1"},
        {"", "us-east-1"},
        {"http://", "us-east-1"},
        {"http:///path", "us-east-1"},
        {"https://user:pass@host", "us-east-1"},
        {"https://host?x", "us-east-1"},
        {"https://host#x", "us-east-1"},
        {"https://ho st", "us-east-1"},
        {"https://host\r\nX: y", "us-east-1"},
        {NULL, ""},
        {NULL, "evil.com/"},
        {NULL, "US-EAST-1"},
        {NULL, "a.b"},
        {NULL,
            "a234567890123456789012345678901234567890123456789012345678901234"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_address address = S3E_ADDRESS;
        struct s3e_err err;
        const struct s3e_address_args args = {
            cases[i].endpoint, "auto", cases[i].region, "b", S3E_LIT("k")};
        in_case(cases[i].endpoint ? cases[i].endpoint : cases[i].region);
        CHECK_RC(s3e_address_make(&address, &args, &err), S3E_E_INPUT, &err);
        CHECK(!strstr(err.msg, "pass"));
        s3e_buf_free(&address.url);
    }
    in_case(NULL);
}

static s3e_rc sweep_body(void *ctx)
{
    struct s3e_address address = S3E_ADDRESS;
    struct s3e_err err;
    const struct s3e_address_args args = {
        NULL, "auto", "us-east-1", "b", S3E_LIT("a longer key with spaces")};
    (void)ctx;
    const s3e_rc rc = s3e_address_make(&address, &args, &err);
    s3e_buf_free(&address.url);
    return rc;
}

int main(void)
{
    count_allocations();
    test_urls();
    test_refused();
    sweep_allocations(sweep_body, NULL);
    CHECK(live_allocations() == 0);
    return 0;
}
