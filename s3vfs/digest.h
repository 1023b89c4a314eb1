/* s3vfs/digest.h - SHA-256 and its HMAC; the only door to OpenSSL in s3vfs/,
 * which sets itself up at the first call. */
#ifndef S3E_S3VFS_DIGEST_H
#define S3E_S3VFS_DIGEST_H

#include "base/span.h"
#include "base/status.h"

enum {
    S3E_SHA256_LEN = 32,                    /* bytes */
    S3E_SHA256_HEX = 2 * S3E_SHA256_LEN + 1 /* characters, with the NUL */
};

/* SHA-256 of `data` (FIPS 180-4). Errors: S3E_E_CRYPTO. Thread any. */
S3E_MUST_CHECK s3e_rc s3e_sha256(
    uint8_t out[S3E_SHA256_LEN], struct s3e_span data, struct s3e_err *err);

/* HMAC-SHA-256 of `data` under `key` (RFC 2104). `out` may be the bytes `key`
 * points at. Errors: S3E_E_CRYPTO. Thread any. */
S3E_MUST_CHECK s3e_rc s3e_hmac_sha256(uint8_t out[S3E_SHA256_LEN],
    struct s3e_span key, struct s3e_span data, struct s3e_err *err);

/* `digest` in lower-case hex, with a NUL. */
void s3e_sha256_hex(
    char out[S3E_SHA256_HEX], const uint8_t digest[S3E_SHA256_LEN]);

#endif
