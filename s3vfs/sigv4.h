/* s3vfs/sigv4.h - AWS Signature Version 4 in its stages, in headers and in the
 * query. Pure: no clock, no network. As S3 wants it: a path is encoded once, by
 * the caller, and never normalised.
 * Limits: S3E_SIGV4_HEADERS_MAX headers, S3E_SIGV4_PARAMS_MAX query parameters,
 * a canonical request of 64 KiB.
 * Source: AWS General Reference, "Create a signed AWS API request"; Amazon S3
 * API Reference, "Authenticating Requests". */
#ifndef S3E_S3VFS_SIGV4_H
#define S3E_S3VFS_SIGV4_H

#include "base/buf.h"
#include "s3vfs/digest.h"

enum { S3E_SIGV4_HEADERS_MAX = 32, S3E_SIGV4_PARAMS_MAX = 64 };

/* Who signs, when and for what; all borrowed. */
struct s3e_sigv4 {
    struct s3e_span access_key_id, secret_access_key;
    struct s3e_span session_token; /* empty: none */
    struct s3e_span region, service;
    int64_t unix_s; /* seconds since 1970 UTC */
};

struct s3e_sigv4_header {
    struct s3e_span name, value; /* as sent, name in any case */
};

/* What is signed; all borrowed. */
struct s3e_sigv4_request {
    struct s3e_span method;
    struct s3e_span path; /* as sent, with its first '/' */
    struct s3e_span
        query; /* as sent, percent-encoded, without '?'; any order */
    const struct s3e_sigv4_header *headers; /* each is signed; host is there,
                            and for S3, in headers, x-amz-content-sha256 */
    size_t num_headers;
    struct s3e_span payload; /* hex SHA-256 of the body, or UNSIGNED-PAYLOAD */
};

/* The empty body's SHA-256. */
#define S3E_SHA256_EMPTY                                                       \
 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* Signs in headers.
 *
 * lines   appended to: "X-Amz-Date: ...", "X-Amz-Security-Token: ..." where
 *         there is a token, "Authorization: ...": each with its NUL behind it,
 *         to be sent beside req->headers. Holds no secret but the token; wiped
 *         by s3e_buf_free.
 * Errors  S3E_E_INPUT (a control character in a header), S3E_E_LIMIT,
 *         S3E_E_NOMEM, S3E_E_CRYPTO.
 * Thread  any. */
S3E_MUST_CHECK s3e_rc s3e_sigv4_sign(struct s3e_buf *lines,
    const struct s3e_sigv4 *who, const struct s3e_sigv4_request *req,
    struct s3e_err *err);

/* Signs in the query: appends to `query` req->query and the parameters that
 * make the url good for `expires_s` seconds (1..604,800). Errors, thread as
 * above, and S3E_E_RANGE. */
S3E_MUST_CHECK s3e_rc s3e_sigv4_presign(struct s3e_buf *query,
    const struct s3e_sigv4 *who, const struct s3e_sigv4_request *req,
    unsigned expires_s, struct s3e_err *err);

/* The stages, as the two above go through them. */

/* Appends the canonical request of `req`, as it stands, to `out`, and the names
 * of its headers ("host;x-amz-date") to `names`. */
S3E_MUST_CHECK s3e_rc s3e_sigv4_canonical(struct s3e_buf *out,
    struct s3e_buf *names, const struct s3e_sigv4_request *req,
    struct s3e_err *err);

/* Appends the string to sign of a canonical request. */
S3E_MUST_CHECK s3e_rc s3e_sigv4_to_sign(struct s3e_buf *out,
    const struct s3e_sigv4 *who, struct s3e_span canonical,
    struct s3e_err *err);

/* The signature of a string to sign, in hex. */
S3E_MUST_CHECK s3e_rc s3e_sigv4_signature(char out[S3E_SHA256_HEX],
    const struct s3e_sigv4 *who, struct s3e_span to_sign, struct s3e_err *err);

#endif
