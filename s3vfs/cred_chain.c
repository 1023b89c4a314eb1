#include "s3vfs/cred_chain.h"

#include "base/mem.h"

static const struct {
    const char *name;
    s3e_rc (*find)(struct s3e_cred_found *out,
        const struct s3e_cred_query *query, struct s3e_err *err);
} sources[] = {
#define ROW(name) {#name, s3e_cred_##name},
    S3E_CRED_SOURCES(ROW)
#undef ROW
};

void s3e_credentials_deinit(struct s3e_credentials *c)
{
    s3e_free_secret(c->access_key_id);
    s3e_free_secret(c->secret_access_key);
    s3e_free_secret(c->session_token);
    s3e_free(c->source);
    *c = (struct s3e_credentials){0};
}

s3e_rc s3e_cred_set(struct s3e_credentials *out, struct s3e_span access_key_id,
    struct s3e_span secret_access_key, struct s3e_span token,
    const char *source, struct s3e_err *err)
{
    out->access_key_id = s3e_strdup(access_key_id);
    out->secret_access_key = s3e_strdup(secret_access_key);
    out->session_token = token.len ? s3e_strdup(token) : NULL;
    out->source = s3e_strdup(s3e_span_str(source));
    if (!out->access_key_id || !out->secret_access_key ||
        (token.len && !out->session_token) || !out->source) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for credentials");
    }
    return S3E_OK;
}

/* Keys go into headers: a line end that slipped into a variable would be one
 * there. NULL passes. */
static bool is_key(const char *text)
{
    for (; text && *text; text++) {
        if (*text <= ' ' || *text > '~') {
            return false;
        }
    }
    return true;
}

static s3e_rc check(const struct s3e_credentials *c, struct s3e_err *err)
{
    if (c->anonymous) {
        return S3E_OK;
    }
    if (is_key(c->access_key_id) && is_key(c->secret_access_key) &&
        is_key(c->session_token)) {
        return S3E_OK;
    }
    return s3e_fail(err, S3E_E_AUTH,
        "credentials from %s hold a character that no key has: a space or "
        "line end?",
        c->source);
}

s3e_rc s3e_cred_find(struct s3e_cred_found *out,
    const struct s3e_cred_query *query, struct s3e_err *err)
{
    struct s3e_buf tried = S3E_BUF(sizeof err->msg);
    s3e_rc rc = S3E_E_NOTFOUND;
    for (size_t i = 0;
         rc == S3E_E_NOTFOUND && i < sizeof sources / sizeof *sources; i++) {
        *out = (struct s3e_cred_found){0};
        *err = (struct s3e_err){0};
        rc = sources[i].find(out, query, err);
        if (rc == S3E_OK) {
            rc = check(&out->credentials, err);
        }
        if (rc) {
            s3e_credentials_deinit(&out->credentials);
        }
        if (rc == S3E_E_NOTFOUND && err->msg[0]) {
            s3e_buf_printf(&tried, "%s%s: %.180s", tried.len ? "; " : "",
                sources[i].name, err->msg);
        }
    }
    if (rc == S3E_E_NOTFOUND) {
        rc = s3e_fail(err, S3E_E_AUTH,
            "no credentials found (%.*s); for a public bucket "
            "s3_config('no_sign_request', 1)",
            S3E_SPAN_ARG(s3e_buf_span(&tried)));
    }
    s3e_buf_free(&tried);
    return rc;
}
