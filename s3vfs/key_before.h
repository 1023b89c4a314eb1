/* key_before.h - what to send as start-after, which S3 excludes and which must
 * be UTF-8 of a key's length. Pure. */
#ifndef S3E_S3VFS_KEY_BEFORE_H
#define S3E_S3VFS_KEY_BEFORE_H

#include "base/buf.h"

/* The longest beginning of `key` that S3 takes as a key: whole UTF-8
 * characters, no NUL, S3E_KEY_MAX bytes at most. No key lies behind `key` but
 * not behind this. */
struct s3e_span s3e_key_clean(struct s3e_span key);

/* Appends a string that S3 takes, less than `key` (not empty), with next to no
 * key between the two: "b" gives "a" and the last character there is. Where
 * `key` is not UTF-8, or too long, there may be some. */
void s3e_key_before(struct s3e_buf *out, struct s3e_span key);

#endif
