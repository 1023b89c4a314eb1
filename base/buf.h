/* base/buf.h - growable bytes with a cap and a memory of failure. */
#ifndef S3E_BASE_BUF_H
#define S3E_BASE_BUF_H

#include "base/span.h"
#include "base/status.h"

/* Zero state: S3E_BUF(cap). Owns `ptr`. Once `rc` is set, every add is a
 * no-op, so a sequence of adds needs one check, at its end. */
struct s3e_buf {
    uint8_t *ptr;
    size_t len, room, cap; /* bytes used, allocated, allowed */
    s3e_rc rc;
};

#define S3E_BUF(max) ((struct s3e_buf){.cap = (max)})

void s3e_buf_add(struct s3e_buf *buf, struct s3e_span bytes);
void s3e_buf_add_str(struct s3e_buf *buf, const char *str);
void s3e_buf_add_byte(struct s3e_buf *buf, uint8_t byte);
void s3e_buf_printf(struct s3e_buf *buf, const char *fmt, ...)
    S3E_PRINTF(2, 3); /* one piece of at most 4,095 bytes */

/* Adds `text` as a JSON string with its quotes; bytes that are not UTF-8
 * become U+FFFD. */
void s3e_buf_add_json(struct s3e_buf *buf, struct s3e_span text);

/* S3E_OK, or the first failure of the adds: S3E_E_NOMEM, S3E_E_LIMIT. */
S3E_MUST_CHECK s3e_rc s3e_buf_check(
    const struct s3e_buf *buf, const char *what, struct s3e_err *err);

/* The bytes so far; valid until the next add or free. */
struct s3e_span s3e_buf_span(const struct s3e_buf *buf);

/* Hands the bytes over as a NUL-terminated string for s3e_free; NULL where
 * `rc` is set (by this call too, on no memory). Leaves the zero state. */
S3E_MUST_CHECK char *s3e_buf_take(struct s3e_buf *buf);

/* Forgets the bytes, keeps the room and clears `rc`. */
void s3e_buf_clear(struct s3e_buf *buf);

/* Wipes and frees the bytes; back to the zero state. */
void s3e_buf_free(struct s3e_buf *buf);

#endif
