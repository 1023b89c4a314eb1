/* s3vfs/cred_env.c - keys of the environment. */
#include "s3vfs/cred_chain.h"

s3e_rc s3e_cred_env(struct s3e_cred_found *out,
    const struct s3e_cred_query *query, struct s3e_err *err)
{
    const char *id = s3e_env_get(query->env, "AWS_ACCESS_KEY_ID");
    const char *secret = s3e_env_get(query->env, "AWS_SECRET_ACCESS_KEY");
    if (query->profile_named) {
        return s3e_fail(err, S3E_E_NOTFOUND,
            "left out, since s3_config('profile', ...) names a profile");
    }
    if (!id) {
        return s3e_fail(err, S3E_E_NOTFOUND, "AWS_ACCESS_KEY_ID is not set");
    }
    if (!secret) {
        return s3e_fail(err, S3E_E_AUTH,
            "the environment has AWS_ACCESS_KEY_ID but no "
            "AWS_SECRET_ACCESS_KEY");
    }
    return s3e_cred_set(&out->credentials, s3e_span_str(id),
        s3e_span_str(secret),
        s3e_span_str(s3e_env_get(query->env, "AWS_SESSION_TOKEN")),
        "environment", err);
}
