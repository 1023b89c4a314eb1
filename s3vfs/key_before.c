#include "s3vfs/key_before.h"

#include "s3vfs/store.h"

/* The character that `s` begins with and its length in bytes (RFC 3629); 0
 * where there is none. */
static size_t decode(struct s3e_span s, uint32_t *c)
{
    static const uint32_t least[] = {0, 1, 0x80, 0x800, 0x10000};
    const uint8_t first = s.len ? s.ptr[0] : 0xff;
    const size_t len = first < 0x80             ? 1
                       : (first & 0xe0) == 0xc0 ? 2
                       : (first & 0xf0) == 0xe0 ? 3
                       : (first & 0xf8) == 0xf0 ? 4
                                                : 0;
    if (len == 0 || len > s.len) {
        return 0;
    }
    *c = len == 1 ? first : first & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((s.ptr[i] & 0xc0) != 0x80) {
            return 0;
        }
        *c = *c << 6 | (s.ptr[i] & 0x3f);
    }
    const bool surrogate = *c >= 0xd800 && *c <= 0xdfff;
    return *c < least[len] || *c > 0x10ffff || surrogate ? 0 : len;
}

static void encode(struct s3e_buf *out, uint32_t c)
{
    if (c < 0x80) {
        s3e_buf_add_byte(out, (uint8_t)c);
        return;
    }
    const unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t mark[] = {0, 0xc0, 0xe0, 0xf0};
    s3e_buf_add_byte(out, (uint8_t)(mark[more] | c >> (6 * more)));
    for (unsigned i = more; i-- > 0;) {
        s3e_buf_add_byte(out, (uint8_t)(0x80 | (c >> (6 * i) & 0x3f)));
    }
}

struct s3e_span s3e_key_clean(struct s3e_span key)
{
    struct s3e_span rest = key;
    uint32_t c = 0;
    for (;;) {
        const size_t len = decode(rest, &c);
        const size_t used = key.len - rest.len;
        if (len == 0 || used + len > S3E_KEY_MAX) {
            return (struct s3e_span){key.ptr, used};
        }
        rest = s3e_span_from(rest, len);
    }
}

void s3e_key_before(struct s3e_buf *out, struct s3e_span key)
{
    const struct s3e_span clean = s3e_key_clean(key);
    size_t at = clean.len;
    uint32_t c = 0;
    if (clean.len < key.len) {
        s3e_buf_add(out, clean);
        return;
    }
    while (at > 0 && (clean.ptr[--at] & 0xc0) == 0x80) {
    }
    (void)decode(s3e_span_from(clean, at), &c);
    s3e_buf_add(out, (struct s3e_span){clean.ptr, at});
    if (c <= ' ') {
        return; /* what is less than a space is in no key */
    }
    encode(out, c == 0xe000 ? 0xd7ff : c - 1);
    if (at + 8 <= S3E_KEY_MAX) {
        encode(out, 0x10fffd);
    }
}
