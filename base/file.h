/* base/file.h - a whole local file at once. */
#ifndef S3E_BASE_FILE_H
#define S3E_BASE_FILE_H

#include "base/blob.h"

/* Reads the regular file `path` into a new blob of at most `cap` bytes.
 *
 * Errors  S3E_E_NOTFOUND, S3E_E_DENIED, S3E_E_IO (not a regular file too),
 *         S3E_E_LIMIT, S3E_E_NOMEM; the sentence names the path.
 * Thread  any. */
S3E_MUST_CHECK s3e_rc s3e_file_read(
    struct s3e_blob **out, const char *path, size_t cap, struct s3e_err *err);

#endif
