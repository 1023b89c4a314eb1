/* s3vfs/resolve.h - settings of an account, each from the first place that has
 * it: SQL, the environment, the profile, its default. A new one is a line in
 * resolve.c's table. */
#ifndef S3E_S3VFS_RESOLVE_H
#define S3E_S3VFS_RESOLVE_H

#include "s3vfs/account.h"
#include "s3vfs/profile.h"

/* Zero state: all zeros. Owns its strings; wiped by deinit. */
struct s3e_resolved {
    struct s3e_account_info info; /* without the transport */
    char *region;                 /* NULL: nothing says one */
    char *ca_bundle;              /* NULL: to be probed (ca.h) */
    bool anonymous;               /* no_sign_request */
    char *access_key_id, *secret_access_key, *session_token; /* of SQL */
};

/* Errors  S3E_E_INPUT (says whose value is wrong, and shows none that may be
 *         secret), S3E_E_NOMEM; `out` is the zero state then. */
S3E_MUST_CHECK s3e_rc s3e_resolve(struct s3e_resolved *out,
    const struct s3e_overrides *overrides, const struct s3e_env *env,
    const struct s3e_profile *profile, struct s3e_err *err);

void s3e_resolved_deinit(struct s3e_resolved *resolved);

#endif
