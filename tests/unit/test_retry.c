#include "s3vfs/retry.h"

#include "tests/harness.h"

static void test_which(void)
{
    const struct {
        const char *name;
        struct s3e_retry_facts facts;
        int bound; /* of the wait before the second attempt; -1: there is none */
    } cases[] = {
        {"unreachable", {.rc = S3E_E_UNREACHABLE}, S3E_RETRY_BASE_MS},
        {"broken off", {.rc = S3E_E_IO, .status = 200}, S3E_RETRY_BASE_MS},
        {"429", {.status = 429}, S3E_RETRY_SLOW_MS},
        {"500", {.status = 500}, S3E_RETRY_BASE_MS},
        {"502", {.status = 502}, S3E_RETRY_BASE_MS},
        {"503", {.status = 503}, S3E_RETRY_SLOW_MS},
        {"504", {.status = 504}, S3E_RETRY_BASE_MS},
        {"timeout", {.status = 400, .code = S3E_LIT("RequestTimeout")},
            S3E_RETRY_BASE_MS},
        {"error in 200", {.status = 200, .code = S3E_LIT("InternalError")},
            S3E_RETRY_BASE_MS},
        {"slow down in 200", {.status = 200, .code = S3E_LIT("SlowDown")},
            S3E_RETRY_SLOW_MS},
        {"400", {.status = 400}, -1},
        {"403", {.status = 403, .code = S3E_LIT("AccessDenied")}, -1},
        {"404", {.status = 404}, -1},
        {"412", {.status = 412}, -1},
        {"501", {.status = 501}, -1},
        {"stopped", {.rc = S3E_E_STOPPED, .status = 503}, -1},
        {"too long", {.rc = S3E_E_LIMIT, .status = 500}, -1},
        {"no memory", {.rc = S3E_E_NOMEM}, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_retry_facts facts = cases[i].facts;
        in_case(cases[i].name);
        facts.after_s = -1;
        facts.attempts = 1;
        facts.max_attempts = 3;
        const int least = s3e_retry_wait_ms(&facts, 0);
        const int most = s3e_retry_wait_ms(&facts, 0.9999);
        CHECK(least == (cases[i].bound < 0 ? -1 : 0));
        CHECK(most == (cases[i].bound < 0 ? -1 : cases[i].bound - 1));
        facts.attempts = 3;
        CHECK(s3e_retry_wait_ms(&facts, 0.5) == -1);
    }
    in_case(NULL);
}

static void test_backoff_doubles_to_a_cap(void)
{
    int before = 0;
    for (unsigned attempts = 1; attempts < 40; attempts++) {
        const struct s3e_retry_facts facts = {.rc = S3E_E_IO,
            .after_s = -1,
            .attempts = attempts,
            .max_attempts = 40};
        const int wait = s3e_retry_wait_ms(&facts, 0.5);
        CHECK(wait == 2 * before || attempts == 1 ||
              wait == S3E_RETRY_CAP_MS / 2);
        before = wait;
    }
    CHECK(before == S3E_RETRY_CAP_MS / 2);
}

static void test_what_the_store_asks_for(void)
{
    static const struct {
        int64_t after_s;
        int least;
    } cases[] = {{-1, 0}, {0, 0}, {2, 2000}, {20, 20000}, {999999, 20000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct s3e_retry_facts facts = {.status = 503,
            .after_s = cases[i].after_s,
            .attempts = 1,
            .max_attempts = 2};
        CHECK(s3e_retry_wait_ms(&facts, 0) == cases[i].least);
        CHECK(s3e_retry_wait_ms(&facts, 0.999) >= cases[i].least);
    }
}

static void test_dice(void)
{
    uint64_t state = 1;
    int buckets[10] = {0};
    for (int i = 0; i < 10000; i++) {
        const double x = s3e_retry_dice(&state);
        CHECK(x >= 0 && x < 1);
        buckets[(int)(10 * x)]++;
    }
    for (int i = 0; i < 10; i++) { /* mean 1,000, deviation 30 */
        CHECK(buckets[i] > 850 && buckets[i] < 1150);
    }
}

int main(void)
{
    test_which();
    test_backoff_doubles_to_a_cap();
    test_what_the_store_asks_for();
    test_dice();
    return 0;
}
