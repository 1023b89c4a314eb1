/* s3vfs/cred_profile.c - static keys of the profile, in the credentials file or
 * else in the config file: keys of one file belong together. */
#include "s3vfs/cred_chain.h"

#include <stdio.h>

static s3e_rc from_file(struct s3e_cred_found *out,
    const struct s3e_profile_file *file, const char *profile,
    struct s3e_err *err)
{
    char source[200];
    const struct s3e_span id =
        s3e_profile_file_get(file, "", "aws_access_key_id");
    const struct s3e_span secret =
        s3e_profile_file_get(file, "", "aws_secret_access_key");
    if (!id.ptr) {
        return S3E_E_NOTFOUND;
    }
    if (!secret.ptr) {
        return s3e_fail(err, S3E_E_AUTH,
            "%s: [%s] has aws_access_key_id but no aws_secret_access_key",
            file->path, file->section);
    }
    (void)snprintf(source, sizeof source, "profile %s", profile);
    return s3e_cred_set(&out->credentials, id, secret,
        s3e_profile_file_get(file, "", "aws_session_token"), source, err);
}

/* Why `file` gave nothing. */
static const char *why_not(const struct s3e_profile_file *file)
{
    switch (file->rc) {
    case S3E_OK:
        return file->section ? "no aws_access_key_id in it"
                             : "no such section in it";
    case S3E_E_NOTFOUND:
        return "no such file";
    case S3E_E_DENIED:
        return "permission denied";
    default:
        return "not readable";
    }
}

s3e_rc s3e_cred_profile(struct s3e_cred_found *out,
    const struct s3e_cred_query *query, struct s3e_err *err)
{
    const struct s3e_profile *p = query->profile;
    s3e_rc rc = from_file(out, &p->credentials, p->name, err);
    if (rc == S3E_E_NOTFOUND) {
        rc = from_file(out, &p->config, p->name, err);
    }
    if (rc == S3E_E_NOTFOUND) {
        rc = s3e_fail(err, rc, "[%.40s] %.60s: %s, %.60s: %s", p->name,
            p->credentials.path, why_not(&p->credentials), p->config.path,
            why_not(&p->config));
    }
    return rc;
}
