/* base/span.h - a borrowed run of bytes. */
#ifndef S3E_BASE_SPAN_H
#define S3E_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Never owns; passed by value; not NUL-terminated; ptr may be NULL if len is
 * 0. Print with "%.*s", S3E_SPAN_ARG(span). */
struct s3e_span {
    const uint8_t *ptr;
    size_t len; /* bytes */
};

/* The bytes of a string literal, without its NUL. */
#define S3E_LIT(s) ((struct s3e_span){(const uint8_t *)("" s), sizeof(s) - 1})

/* The two arguments of "%.*s"; at most 1,100 bytes are shown. */
#define S3E_SPAN_ARG(s)                                                        \
 (int)((s).len < 1100 ? (s).len : 1100), (s).ptr ? (const char *)(s).ptr : ""

/* The bytes of a C string; an empty span for NULL. */
static inline struct s3e_span s3e_span_str(const char *str)
{
    return (struct s3e_span){(const uint8_t *)str, str ? strlen(str) : 0};
}

static inline bool s3e_span_eq(struct s3e_span a, struct s3e_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Orders by unsigned bytes, a prefix before what it begins: S3's key order. */
static inline int s3e_span_cmp(struct s3e_span a, struct s3e_span b)
{
    const size_t len = a.len < b.len ? a.len : b.len;
    const int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool s3e_span_starts(struct s3e_span s, struct s3e_span prefix)
{
    return s.len >= prefix.len &&
           (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

/* `s` without its first `n` bytes (n <= s.len). */
static inline struct s3e_span s3e_span_from(struct s3e_span s, size_t n)
{
    return (struct s3e_span){n ? s.ptr + n : s.ptr, s.len - n};
}

#endif
