#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

enum { FIRST_ROOM = 64, PIECE_MAX = 4096 };

/* Moves to a block of at least `need` bytes, wiping the old one: realloc would
 * leave a copy of a secret behind. */
static s3e_rc grow(struct s3e_buf *buf, size_t need)
{
    size_t room = need < FIRST_ROOM ? FIRST_ROOM : need;
    if (room < 2 * buf->room) {
        room = 2 * buf->room;
    }
    if (room > buf->cap) {
        room = buf->cap;
    }
    uint8_t *ptr = s3e_alloc_array(room, 1);
    if (!ptr) {
        return S3E_E_NOMEM;
    }
    if (buf->len) {
        memcpy(ptr, buf->ptr, buf->len);
        s3e_wipe(buf->ptr, buf->len);
    }
    s3e_free(buf->ptr);
    buf->ptr = ptr;
    buf->room = room;
    return S3E_OK;
}

void s3e_buf_add(struct s3e_buf *buf, struct s3e_span bytes)
{
    if (buf->rc == S3E_OK && bytes.len > buf->cap - buf->len) {
        buf->rc = S3E_E_LIMIT;
    }
    if (buf->rc == S3E_OK && bytes.len > buf->room - buf->len) {
        buf->rc = grow(buf, buf->len + bytes.len);
    }
    if (buf->rc == S3E_OK && bytes.len) {
        memcpy(buf->ptr + buf->len, bytes.ptr, bytes.len);
        buf->len += bytes.len;
    }
}

void s3e_buf_add_str(struct s3e_buf *buf, const char *str)
{
    s3e_buf_add(buf, s3e_span_str(str));
}

void s3e_buf_add_byte(struct s3e_buf *buf, uint8_t byte)
{
    s3e_buf_add(buf, (struct s3e_span){&byte, 1});
}

void s3e_buf_printf(struct s3e_buf *buf, const char *fmt, ...)
{
    char piece[PIECE_MAX];
    va_list ap;
    va_start(ap, fmt);
    const int len = vsnprintf(piece, sizeof piece, fmt, ap);
    va_end(ap);
    if (len < 0 || (size_t)len >= sizeof piece) {
        buf->rc = buf->rc ? buf->rc : S3E_E_LIMIT;
        return;
    }
    s3e_buf_add(buf, (struct s3e_span){(const uint8_t *)piece, (size_t)len});
    s3e_wipe(piece, (size_t)len);
}

/* Length of the well-formed UTF-8 sequence at the start of `s` (RFC 3629), 0
 * if there is none. */
static size_t utf8_len(struct s3e_span s)
{
    const uint8_t *p = s.ptr;
    const uint8_t c = p[0];
    if (c < 0x80) {
        return 1;
    }
    const size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || len > s.len) {
        return 0;
    }
    const uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

void s3e_buf_add_json(struct s3e_buf *buf, struct s3e_span text)
{
    s3e_buf_add_byte(buf, '"');
    while (text.len) {
        const size_t len = utf8_len(text);
        const uint8_t c = text.ptr[0];
        if (len == 0) {
            s3e_buf_add_str(buf, "\xef\xbf\xbd");
        } else if (c == '"' || c == '\\') {
            s3e_buf_add_byte(buf, '\\');
            s3e_buf_add_byte(buf, c);
        } else if (c < 0x20 || c == 0x7f) {
            s3e_buf_printf(buf, "\\u%04x", (unsigned)c);
        } else {
            s3e_buf_add(buf, (struct s3e_span){text.ptr, len});
        }
        text = s3e_span_from(text, len ? len : 1);
    }
    s3e_buf_add_byte(buf, '"');
}

s3e_rc s3e_buf_check(
    const struct s3e_buf *buf, const char *what, struct s3e_err *err)
{
    switch (buf->rc) {
    case S3E_OK:
        return S3E_OK;
    case S3E_E_LIMIT:
        return s3e_fail(err, buf->rc, "%s exceeds %zu bytes", what, buf->cap);
    default:
        return s3e_fail(err, buf->rc, "no memory for %s", what);
    }
}

struct s3e_span s3e_buf_span(const struct s3e_buf *buf)
{
    return (struct s3e_span){buf->ptr, buf->len};
}

char *s3e_buf_take(struct s3e_buf *buf)
{
    s3e_buf_add_byte(buf, '\0');
    if (buf->rc) {
        return NULL;
    }
    char *str = (char *)buf->ptr;
    *buf = S3E_BUF(buf->cap);
    return str;
}

void s3e_buf_clear(struct s3e_buf *buf)
{
    if (buf->ptr) {
        s3e_wipe(buf->ptr, buf->len);
    }
    buf->len = 0;
    buf->rc = S3E_OK;
}

void s3e_buf_free(struct s3e_buf *buf)
{
    s3e_buf_clear(buf);
    s3e_free(buf->ptr);
    *buf = S3E_BUF(buf->cap);
}
