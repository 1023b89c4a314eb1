/* s3vfs/uri.h - targets and uris. Nothing is percent-decoded: a uri is scheme,
 * bucket and the key's bytes as they are. */
#ifndef S3E_S3VFS_URI_H
#define S3E_S3VFS_URI_H

#include "base/buf.h"
#include "base/span.h"
#include "base/status.h"
#include "s3vfs/store_kinds.h"

enum { S3E_TARGET_MAX = 4096 }; /* bytes of a target, uri or glob */

/* What a person named: a bucket, a prefix, a glob, a folder or one object. All
 * strings owned. Zero state: all zeros. */
struct s3e_target {
    enum s3e_scheme scheme;
    char *bucket; /* S3: the bucket. file: the absolute folder, no last slash
                     but for "/" */
    char *prefix; /* keys begin with it: all of a plain prefix, or the glob's
                     literal beginning; "" for the whole bucket */
    char *glob;   /* the whole pattern over keys; NULL where there is none */
};

/* Reads a target of s3_objects(): 'bucket', 's3://b/prefix', 's3://b/glob'
 * (s3a, s3n likewise), 'file:folder', 'file:///dir/glob'. For `file:` the
 * folder is that before the first glob character; a folder without glob gives
 * prefix "".
 *
 * out     s3e_target_deinit it; zero state on failure.
 * Errors  S3E_E_INPUT (empty, a NUL byte, a bucket name S3 forbids, a
 *         directory bucket, an unclosed [ or {, an unknown scheme),
 *         S3E_E_NOMEM.
 * Thread  any.
 * Source  Amazon S3 user guide, "Bucket naming rules". */
S3E_MUST_CHECK s3e_rc s3e_target_parse(
    struct s3e_target *out, struct s3e_span text, struct s3e_err *err);

void s3e_target_deinit(struct s3e_target *target);

/* True where `text` begins with s3://, s3a://, s3n:// or file: . */
bool s3e_uri_is(struct s3e_span text);

/* Splits the uri of one object: `target` gets scheme and bucket (for `file:`
 * the folder that holds it), `*key` points into `text` (for `file:` the last
 * part). No glob: `*` is a byte of the key. Errors as above; an empty key is
 * S3E_E_INPUT. */
S3E_MUST_CHECK s3e_rc s3e_uri_parse(struct s3e_target *target,
    struct s3e_span *key, struct s3e_span text, struct s3e_err *err);

/* S3E_OK where S3 would take `name` as a bucket's. */
S3E_MUST_CHECK s3e_rc s3e_bucket_check(
    struct s3e_span name, struct s3e_err *err);

/* S3E_OK where every [ and { of `glob` is closed, and it is not longer than
 * S3E_TARGET_MAX; else S3E_E_INPUT. */
S3E_MUST_CHECK s3e_rc s3e_glob_check(struct s3e_span glob, struct s3e_err *err);

/* Whether the whole of `text` matches `glob`: * and ? stop at '/', ** crosses
 * it ("**" followed by "/" also matches nothing), [a-z] [!a] [^a], {a,b}, [*]
 * is a literal star. By UTF-8 characters; no class matches '/'. A glob that
 * s3e_glob_check refuses matches nothing. Takes at most glob x text steps (no
 * exponential blow-up) and 20 KB of stack. */
bool s3e_glob_match(struct s3e_span glob, struct s3e_span text);

/* Appends `key` percent-encoded: all but A-Z a-z 0-9 - . _ ~ and, where
 * `keep_slash`, '/'. RFC 3986, upper-case hex. */
void s3e_uri_encode(struct s3e_buf *out, struct s3e_span key, bool keep_slash);

/* The last part of `key` before the name, and the name: spans into `key`;
 * folder.ptr is NULL at the top. "a/b/c.jpg" -> "b", "c.jpg"; a key that ends
 * in '/' (a folder marker) "a/b/" -> "a", "b". */
void s3e_key_split(
    struct s3e_span key, struct s3e_span *folder, struct s3e_span *name);

#endif
