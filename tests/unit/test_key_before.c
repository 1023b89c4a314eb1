#include "s3vfs/key_before.h"

#include "s3vfs/retry.h"
#include "s3vfs/store.h"
#include "tests/harness.h"

#define LAST "\xf4\x8f\xbf\xbd" /* U+10FFFD */

static void test_table(void)
{
    static const struct {
        const char *key, *before;
    } cases[] = {
        {"b", "a" LAST},
        {"img_500.jpg", "img_500.jpf" LAST},
        {"a/", "a." LAST},
        {"!", " " LAST},
        {"a ", "a"},
        {"a\x01", "a"},
        {" ", ""},
        {"\xc3\xa9", "\xc3\xa8" LAST},             /* e acute, e grave */
        {"\xc2\x80", "\x7f" LAST},                 /* 2 bytes from 1 */
        {"\xe0\xa0\x80", "\xdf\xbf" LAST},         /* 3 from 2 */
        {"\xf0\x90\x80\x80", "\xef\xbf\xbf" LAST}, /* 4 from 3 */
        {"\xee\x80\x80", "\xed\x9f\xbf" LAST},     /* past the surrogates */
        {"x\xf4\x8f\xbf\xbf", "x\xf4\x8f\xbf\xbe" LAST},
        /* What is not UTF-8 is cut: some keys between are listed in vain. */
        {"a\xff", "a"},
        {"a\xc3", "a"},
        {"a\xed\xa0\x80", "a"},
        {"a\xc0\xaf", "a"},
        {"\xff", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_buf got = S3E_BUF(S3E_KEY_MAX);
        in_case(cases[i].before);
        s3e_key_before(&got, s3e_span_str(cases[i].key));
        CHECK(got.rc == S3E_OK);
        CHECK_SPAN(s3e_buf_span(&got), cases[i].before);
        s3e_buf_free(&got);
    }
    in_case(NULL);
    struct s3e_buf got = S3E_BUF(S3E_KEY_MAX);
    const struct s3e_span nul = {(const uint8_t *)"ab\0", 3};
    s3e_key_before(&got, nul); /* keys after "ab" */
    CHECK_SPAN(s3e_buf_span(&got), "ab");
    s3e_buf_free(&got);
}

/* Of any bytes, at any length: less than them, UTF-8, and no longer than a key.
 */
static void test_any_bytes(void)
{
    uint64_t state = 42;
    uint8_t bytes[2 * S3E_KEY_MAX];
    for (int round = 0; round < 20000; round++) {
        const size_t len = 1 + (size_t)(s3e_retry_dice(&state) *
                                        (round % 10 ? 8 : sizeof bytes - 1));
        const bool ascii = round % 2;
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (uint8_t)(s3e_retry_dice(&state) * (ascii ? 128 : 256));
        }
        const struct s3e_span key = {bytes, len};
        struct s3e_buf got = S3E_BUF(S3E_KEY_MAX);
        s3e_key_before(&got, key);
        const struct s3e_span before = s3e_buf_span(&got);
        CHECK(got.rc == S3E_OK);
        CHECK(s3e_span_cmp(before, key) < 0);
        CHECK(s3e_span_eq(s3e_key_clean(before), before));
        CHECK(s3e_span_starts(key, s3e_key_clean(key)));
        s3e_buf_free(&got);
    }
}

int main(void)
{
    count_allocations();
    test_table();
    test_any_bytes();
    CHECK(live_allocations() == 0);
    return 0;
}
