/* transport.c and latch.c. */
#include "s3vfs/transport.h"

#include "base/clock.h"
#include "s3vfs/latch.h"
#include "tests/harness.h"
#include "tests/scripted.h"

static void test_headers(void)
{
    struct s3e_exchange ex = {0};
    ex.out.headers = S3E_BUF(4096);
    CHECK(!s3e_exchange_header(&ex, "etag").ptr);
    s3e_buf_add_str(&ex.out.headers,
        "etag: \"x\"\ncontent-length:  12 \nempty:\netag-not: y\n"
        "big: 999999999999999999\nhuge: 9999999999999999999\nbad: 1x\n"
        "negative: -1\n");
    CHECK_SPAN(s3e_exchange_header(&ex, "etag"), "\"x\"");
    CHECK_SPAN(s3e_exchange_header(&ex, "content-length"), "12");
    CHECK_SPAN(s3e_exchange_header(&ex, "empty"), "");
    CHECK(s3e_exchange_header(&ex, "empty").ptr != NULL);
    CHECK(!s3e_exchange_header(&ex, "eta").ptr);
    CHECK(!s3e_exchange_header(&ex, "y").ptr);
    CHECK(s3e_exchange_number(&ex, "content-length") == 12);
    CHECK(s3e_exchange_number(&ex, "big") == 999999999999999999);
    CHECK(s3e_exchange_number(&ex, "huge") == -1);
    CHECK(s3e_exchange_number(&ex, "bad") == -1);
    CHECK(s3e_exchange_number(&ex, "negative") == -1);
    CHECK(s3e_exchange_number(&ex, "empty") == -1);
    CHECK(s3e_exchange_number(&ex, "none") == -1);
    s3e_exchange_reset(&ex);
    CHECK(!ex.out.headers.ptr);
}

static bool after_three(void *ctx)
{
    return ++*(int *)ctx >= 3;
}

static void test_run(void)
{
    static const struct scripted_object object = {"k", "body", "e"};
    static const char *const headers[] = {NULL};
    static const struct s3e_route route = {0};
    for (int answer_ms = -1; answer_ms < 300; answer_ms += 150) {
        struct scripted s = {
            .objects = &object, .num_objects = 1, .answer_ms = answer_ms};
        struct s3e_exchange ex = {.in = {.method = "GET",
                                      .url = "http://s3.test/b/k",
                                      .headers = headers,
                                      .route = &route,
                                      .max_body = 100}};
        int asked = 0;
        scripted_init(&s);
        CHECK_RC(s3e_exchange_run(&s.transport, &ex, NULL, NULL), S3E_OK,
            &ex.out.err);
        CHECK_SPAN(s3e_blob_span(ex.out.body), "body");
        s3e_exchange_reset(&ex);
        const int64_t began = s3e_clock_ms();
        const s3e_rc rc =
            s3e_exchange_run(&s.transport, &ex, after_three, &asked);
        CHECK(rc == (answer_ms > 0 ? S3E_E_STOPPED : S3E_OK));
        CHECK(s3e_clock_ms() - began < 140);
        CHECK(asked == (answer_ms > 0 ? 3 : 0));
        s3e_exchange_reset(&ex);
        scripted_deinit(&s);
    }
}

static void open_later(void *arg)
{
    s3e_latch_open(arg);
}

static void test_latch(void)
{
    for (int i = 0; i < 200; i++) {
        struct s3e_latch latch;
        struct s3e_thread thread;
        struct s3e_err err;
        CHECK_RC(s3e_latch_init(&latch, &err), S3E_OK, &err);
        CHECK(!s3e_latch_is_open(&latch));
        CHECK_RC(s3e_thread_start(&thread, "open", open_later, &latch, &err),
            S3E_OK, &err);
        CHECK(s3e_latch_wait(&latch, NULL, NULL));
        CHECK(s3e_latch_is_open(&latch));
        s3e_thread_join(&thread);
        s3e_latch_deinit(&latch);
    }
}

int main(void)
{
    count_allocations();
    test_headers();
    test_run();
    test_latch();
    CHECK(live_allocations() == 0);
    return 0;
}
