/* s3vfs/profile.h - the profile in use, from AWS's two shared files; and the
 * environment, which says which it is. */
#ifndef S3E_S3VFS_PROFILE_H
#define S3E_S3VFS_PROFILE_H

#include "s3vfs/account.h"
#include "s3vfs/ini.h"

/* The process's environment, or a test's. */
struct s3e_env {
    s3e_getenv get;
    void *ctx;
};

/* NULL where `name` is not set, or empty. */
const char *s3e_env_get(const struct s3e_env *env, const char *name);

/* One of the two files. */
struct s3e_profile_file {
    char *path;    /* with ~ expanded */
    char *section; /* of the profile, as it is spelled there; NULL: not there */
    s3e_rc rc;     /* S3E_OK, or why nothing was read: S3E_E_NOTFOUND ... */
    struct s3e_ini ini;
};

/* Zero state: all zeros. */
struct s3e_profile {
    char *name;
    struct s3e_profile_file credentials; /* ~/.aws/credentials: [name] */
    struct s3e_profile_file config;      /* ~/.aws/config: [profile name] */
};

/* Reads both files as far as they are there: AWS_SHARED_CREDENTIALS_FILE,
 * AWS_CONFIG_FILE or those in ~/.aws. The profile is `name`, or AWS_PROFILE's,
 * AWS_DEFAULT_PROFILE's, or default.
 *
 * out     s3e_profile_deinit it; zero state on failure.
 * name    NULL or "": the environment's.
 * Errors  S3E_E_INPUT (a profile that was named is in neither file),
 *         S3E_E_FORMAT (names file and line), S3E_E_LIMIT, S3E_E_NOMEM.
 * Source  AWS SDKs and Tools Reference Guide; botocore's session. */
S3E_MUST_CHECK s3e_rc s3e_profile_load(struct s3e_profile *out,
    const char *name, const struct s3e_env *env, struct s3e_err *err);

/* The value of `key` of `group` ("": none) in one file; ptr NULL where there is
 * none, or it is empty. */
struct s3e_span s3e_profile_file_get(
    const struct s3e_profile_file *file, const char *group, const char *key);

/* The same in the credentials file, else in the config file. */
struct s3e_span s3e_profile_get(
    const struct s3e_profile *profile, const char *group, const char *key);

/* Wipes and frees. */
void s3e_profile_deinit(struct s3e_profile *profile);

#endif
