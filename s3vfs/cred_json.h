/* s3vfs/cred_json.h - credentials as a JSON object, as the metadata services
 * answer. */
#ifndef S3E_S3VFS_CRED_JSON_H
#define S3E_S3VFS_CRED_JSON_H

#include "s3vfs/account.h"

/* Reads AccessKeyId, SecretAccessKey, Token and Expiration (RFC 3339).
 *
 * out     its keys, token and `expires` are set: s3e_credentials_deinit it,
 *         after a failure too. `source` as given.
 * Errors  S3E_E_FORMAT (not such an object; its Code, where that is not
 *         Success), S3E_E_NOMEM. No sentence shows a value but Code's.
 * Thread  any. */
S3E_MUST_CHECK s3e_rc s3e_cred_json(struct s3e_credentials *out,
    struct s3e_span json, const char *source, struct s3e_err *err);

#endif
