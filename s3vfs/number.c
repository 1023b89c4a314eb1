#include "s3vfs/number.h"

#include <strings.h>

bool s3e_number_uint(
    unsigned *out, struct s3e_span text, unsigned min, unsigned max)
{
    enum { DIGITS_MAX = 9 }; /* fits in 32 bits */
    unsigned value = 0;
    if (text.len == 0 || text.len > DIGITS_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        value = 10 * value + (unsigned)(text.ptr[i] - '0');
    }
    if (value < min || value > max) {
        return false;
    }
    *out = value;
    return true;
}

bool s3e_number_seconds(int *ms, struct s3e_span text)
{
    enum { SECONDS_MAX = 3600, DECIMALS = 3 };
    const uint8_t *dot = text.len ? memchr(text.ptr, '.', text.len) : NULL;
    const size_t whole_len = dot ? (size_t)(dot - text.ptr) : text.len;
    struct s3e_span decimals = {0};
    unsigned whole = 0, part = 0;
    if (!s3e_number_uint(
            &whole, (struct s3e_span){text.ptr, whole_len}, 0, SECONDS_MAX)) {
        return false;
    }
    if (dot) {
        decimals = s3e_span_from(text, whole_len + 1);
        if (decimals.len > DECIMALS ||
            !s3e_number_uint(&part, decimals, 0, 999)) {
            return false;
        }
    }
    for (size_t i = decimals.len; i < DECIMALS; i++) {
        part *= 10;
    }
    const unsigned total = 1000 * whole + part;
    if (total == 0 || total > 1000 * SECONDS_MAX) {
        return false;
    }
    *ms = (int)total;
    return true;
}

static bool is_word(struct s3e_span text, const char *word)
{
    return text.len == strlen(word) &&
           strncasecmp((const char *)text.ptr, word, text.len) == 0;
}

bool s3e_number_bool(bool *out, struct s3e_span text)
{
    const bool yes = is_word(text, "1") || is_word(text, "true");
    if (!yes && !is_word(text, "0") && !is_word(text, "false")) {
        return false;
    }
    *out = yes;
    return true;
}
