#include "base/blob.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sync.h"
#include "tests/harness.h"

#include <unistd.h>

static void errors_are_one_printable_line(void)
{
    struct s3e_err err = {.code = "Old"};
    CHECK(s3e_fail(&err, S3E_E_IO, "a\nb %d\x7f", 7) == S3E_E_IO);
    CHECK_STR(err.msg, "a?b 7?");
    CHECK_STR(err.code, "");
    CHECK(s3e_prefix(&err, S3E_E_IO, "s3://b/%s", "k") == S3E_E_IO);
    CHECK_STR(err.msg, "s3://b/k: a?b 7?");

    /* A cut never leaves half a character: 591 bytes hold 295 of 2 bytes. */
    char text[1001];
    for (size_t i = 0; i < 1000; i += 2) {
        text[i] = '\xc3';
        text[i + 1] = '\xa9';
    }
    text[1000] = '\0';
    (void)s3e_fail(&err, S3E_E_IO, "%s", text);
    CHECK(strlen(err.msg) == 590);
}

static void buf_stops_at_its_cap(void)
{
    struct s3e_err err;
    struct s3e_buf buf = S3E_BUF(5);
    s3e_buf_add_str(&buf, "abc");
    s3e_buf_add_str(&buf, "def");
    s3e_buf_add_str(&buf, "g"); /* would fit, but the first failure stays */
    CHECK(s3e_buf_check(&buf, "text", &err) == S3E_E_LIMIT);
    CHECK_STR(err.msg, "text exceeds 5 bytes");
    CHECK_SPAN(s3e_buf_span(&buf), "abc");
    s3e_buf_clear(&buf);
    s3e_buf_printf(&buf, "%d", 42);
    CHECK_SPAN(s3e_buf_span(&buf), "42");
    char *str = s3e_buf_take(&buf);
    CHECK_STR(str, "42");
    s3e_free(str);
    s3e_buf_free(&buf);
}

static void json_strings_are_escaped(void)
{
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"a\"b\\c\n", "\"a\\\"b\\\\c\\u000a\""},
        {"\xc3\xa9\xf0\x9f\x8d\x8e", "\"\xc3\xa9\xf0\x9f\x8d\x8e\""},
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""}, /* overlong */
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"x\xe2\x82", "\"x\xef\xbf\xbd\xef\xbf\xbd\""}, /* cut */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_buf buf = S3E_BUF(100);
        s3e_buf_add_json(&buf, s3e_span_str(cases[i].text));
        CHECK_SPAN(s3e_buf_span(&buf), cases[i].json);
        s3e_buf_free(&buf);
    }
}

static void times_round_trip(void)
{
    static const struct {
        int64_t unix_s;
        const char *iso, *basic;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z", "19700101T000000Z"},
        {1440938160, "2015-08-30T12:36:00Z", "20150830T123600Z"},
        {951782400, "2000-02-29T00:00:00Z", "20000229T000000Z"},
        {-1, "1969-12-31T23:59:59Z", "19691231T235959Z"},
        {253402300799, "9999-12-31T23:59:59Z", "99991231T235959Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[S3E_TIME_LEN + 1];
        int64_t back = 0;
        s3e_time_format(text, cases[i].unix_s, 0);
        CHECK_STR(text, cases[i].iso);
        CHECK(s3e_time_parse_iso(&back, text, strlen(text)));
        CHECK(back == cases[i].unix_s);
        s3e_time_format(text, cases[i].unix_s, 1);
        CHECK_STR(text, cases[i].basic);
    }
    int64_t t = 0;
    CHECK(s3e_time_parse_http(&t, "Sun, 06 Nov 1994 08:49:37 GMT", 29));
    CHECK(t == 784111777);
    CHECK(!s3e_time_parse_http(&t, "Sun, 06 Nov 1994 08:49:37 CET", 29));
    CHECK(s3e_time_parse_iso(&t, "2009-10-12T17:50:30.000Z", 24));
    CHECK(t == 1255369830);
    CHECK(!s3e_time_parse_iso(&t, "2009-10-12T17:50:30.", 20));
    CHECK(!s3e_time_parse_iso(&t, "2009-10-12T17:50:30+02:00", 25));
    CHECK(!s3e_time_parse_iso(&t, "2009-13-12T17:50:30Z", 20));
}

static void quotas_round_up(void)
{
    CHECK(s3e_cpu_quota("max 100000\n") == 0);
    CHECK(s3e_cpu_quota("200000 100000\n") == 2);
    CHECK(s3e_cpu_quota("50000 100000\n") == 1);
    CHECK(s3e_cpu_quota("") == 0);
    CHECK(s3e_cpu_quota("5") == 0);
    CHECK(s3e_cpu_count() >= 1);
    char kind[100];
    s3e_cpu_describe(kind, sizeof kind);
    CHECK(strlen(kind) >= strlen("arm64"));
}

static void files_are_read_whole(void)
{
    char path[] = "/tmp/s3e_test_XXXXXX";
    const int fd = mkstemp(path);
    CHECK(fd >= 0);
    static const uint8_t bytes[40000] = {1, 2, 3};
    CHECK(write(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes);
    CHECK(close(fd) == 0);
    struct s3e_err err;
    struct s3e_blob *blob = NULL;
    CHECK_RC(s3e_file_read(&blob, path, sizeof bytes, &err), S3E_OK, &err);
    CHECK(blob->len == sizeof bytes);
    CHECK(memcmp(blob->data, bytes, sizeof bytes) == 0);
    CHECK(s3e_blob_of(blob->data) == blob);
    s3e_blob_unref(blob);
    CHECK(s3e_file_read(&blob, path, 39999, &err) == S3E_E_LIMIT);
    CHECK(unlink(path) == 0);
    CHECK(s3e_file_read(&blob, path, 10, &err) == S3E_E_NOTFOUND);
    CHECK(s3e_file_read(&blob, "/", 10, &err) == S3E_E_IO);
    CHECK_RC(
        s3e_file_read(&blob, "/proc/self/status", 65536, &err), S3E_OK, &err);
    CHECK(blob->len > 0); /* a file whose size reads 0 */
    s3e_blob_unref(blob);
}

static s3e_rc append_much(void *ctx)
{
    (void)ctx;
    struct s3e_blob *blob = s3e_blob_new(0);
    s3e_rc rc = blob ? S3E_OK : S3E_E_NOMEM;
    for (int i = 0; rc == S3E_OK && i < 1000; i++) {
        rc = s3e_blob_append(&blob, S3E_LIT("0123456789"), 10000);
    }
    CHECK(rc || s3e_blob_append(&blob, S3E_LIT("x"), 10000) == S3E_E_LIMIT);
    s3e_blob_unref(blob);
    return rc;
}

static s3e_rc fill_buf(void *ctx)
{
    (void)ctx;
    struct s3e_err err;
    struct s3e_buf buf = S3E_BUF(100000);
    for (int i = 0; i < 1000; i++) {
        s3e_buf_printf(&buf, "%d,", i);
    }
    const s3e_rc rc = s3e_buf_check(&buf, "numbers", &err);
    s3e_buf_free(&buf);
    return rc;
}

struct counter {
    struct s3e_mutex lock;
    struct s3e_cond changed;
    int value;
};

static void count_up(void *arg)
{
    struct counter *c = arg;
    for (int i = 0; i < 1000; i++) {
        s3e_mutex_lock(&c->lock);
        c->value++;
        s3e_cond_signal(&c->changed);
        s3e_mutex_unlock(&c->lock);
    }
}

static void threads_count_together(void)
{
    struct counter c = {.value = 0};
    struct s3e_err err;
    struct s3e_thread threads[4];
    CHECK_RC(s3e_mutex_init(&c.lock, &err), S3E_OK, &err);
    CHECK_RC(s3e_cond_init(&c.changed, &err), S3E_OK, &err);
    for (int i = 0; i < 4; i++) {
        CHECK_RC(s3e_thread_start(&threads[i], "counter", count_up, &c, &err),
            S3E_OK, &err);
    }
    s3e_mutex_lock(&c.lock);
    while (c.value < 4000) {
        s3e_cond_wait_ms(&c.changed, &c.lock, 20);
    }
    s3e_mutex_unlock(&c.lock);
    for (int i = 0; i < 4; i++) {
        s3e_thread_join(&threads[i]);
    }
    s3e_cond_deinit(&c.changed);
    s3e_mutex_deinit(&c.lock);
}

int main(void)
{
    count_allocations();
    errors_are_one_printable_line();
    buf_stops_at_its_cap();
    json_strings_are_escaped();
    times_round_trip();
    quotas_round_up();
    files_are_read_whole();
    threads_count_together();
    sweep_allocations(append_much, NULL);
    sweep_allocations(fill_buf, NULL);
    CHECK(live_allocations() == 0);
    return 0;
}
