/* s3vfs/cred_settings.c - what SQL said by s3_config(). */
#include "s3vfs/cred_chain.h"

#include "base/mem.h"

s3e_rc s3e_cred_anonymous(struct s3e_cred_found *out,
    const struct s3e_cred_query *query, struct s3e_err *err)
{
    if (!query->anonymous) {
        return S3E_E_NOTFOUND;
    }
    out->credentials.anonymous = true;
    out->credentials.source = s3e_strdup(S3E_LIT("anonymous"));
    return out->credentials.source
               ? S3E_OK
               : s3e_fail(err, S3E_E_NOMEM, "no memory for credentials");
}

s3e_rc s3e_cred_settings(struct s3e_cred_found *out,
    const struct s3e_cred_query *query, struct s3e_err *err)
{
    const char *id = query->access_key_id, *secret = query->secret_access_key;
    if (!id && !secret) {
        return S3E_E_NOTFOUND;
    }
    if (!id || !secret) {
        return s3e_fail(err, S3E_E_AUTH, "s3_config has %s but no %s",
            id ? "aws_access_key_id" : "aws_secret_access_key",
            id ? "aws_secret_access_key" : "aws_access_key_id");
    }
    return s3e_cred_set(&out->credentials, s3e_span_str(id),
        s3e_span_str(secret), s3e_span_str(query->session_token), "s3_config",
        err);
}
