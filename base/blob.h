/* base/blob.h - counted, immutable bytes that travel between threads: an
 * object's body from the wire to SQLite without a copy. */
#ifndef S3E_BASE_BLOB_H
#define S3E_BASE_BLOB_H

#include "base/span.h"
#include "base/status.h"

#include <stdatomic.h>

/* The bytes follow the struct, 16-byte aligned, with S3E_BLOB_PAD zeroed bytes
 * behind them for readers that overrun. */
struct s3e_blob {
    atomic_int refs;
    size_t len;  /* bytes in use */
    size_t room; /* bytes allocated, without the pad */
    _Alignas(16) uint8_t data[];
};

enum { S3E_BLOB_PAD = 64 };

/* A blob with room for `room` bytes (0 is allowed), len 0, one reference; NULL
 * on no memory. Only its maker writes to it, before it is shared. */
S3E_MUST_CHECK struct s3e_blob *s3e_blob_new(size_t room);

/* Appends while `*blob` is still its maker's alone, growing it up to `cap`
 * bytes in all: may move `*blob`. Errors: S3E_E_NOMEM, S3E_E_LIMIT (no
 * sentence). */
S3E_MUST_CHECK s3e_rc s3e_blob_append(
    struct s3e_blob **blob, struct s3e_span bytes, size_t cap);

struct s3e_blob *s3e_blob_ref(struct s3e_blob *blob);
void s3e_blob_unref(struct s3e_blob *blob); /* NULL is allowed */

/* The blob whose `data` this is. */
struct s3e_blob *s3e_blob_of(void *data);

/* The bytes; an empty span for NULL. */
struct s3e_span s3e_blob_span(const struct s3e_blob *blob);

#endif
