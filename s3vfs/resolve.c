#include "s3vfs/resolve.h"

#include "base/mem.h"
#include "s3vfs/cred_chain.h"
#include "s3vfs/number.h"

enum {
    VALUE_MAX = 4096, /* bytes of any setting */
    ATTEMPTS = 3      /* where nothing says how many */
};

/* Where a setting is looked for, in this order, and who reads it. */
struct setting {
    const char *name;   /* of s3_config */
    size_t override_at; /* in struct s3e_overrides */
    const char *env[2];
    const char *group, *key; /* of the profile; key NULL: not there */
    s3e_rc (*set)(struct s3e_resolved *r, struct s3e_span value,
        const char *from, struct s3e_err *err);
};

static s3e_rc keep(char **out, struct s3e_span value, struct s3e_err *err)
{
    *out = s3e_strdup(value);
    return *out ? S3E_OK
                : s3e_fail(err, S3E_E_NOMEM, "no memory for a setting");
}

static s3e_rc wrong(const char *from, struct s3e_span value, const char *want,
    struct s3e_err *err)
{
    return s3e_fail(err, S3E_E_INPUT, "%s is '%.*s'; it must be %s", from,
        S3E_SPAN_ARG(value), want);
}

static s3e_rc set_region(struct s3e_resolved *r, struct s3e_span value,
    const char *from, struct s3e_err *err)
{
    return s3e_region_check(value)
               ? keep(&r->region, value, err)
               : wrong(from, value, "a region such as eu-west-3", err);
}

/* Scheme, host, perhaps port and path. Who writes a password into it must not
 * read it in a message. */
static s3e_rc set_endpoint(struct s3e_resolved *r, struct s3e_span value,
    const char *from, struct s3e_err *err)
{
    const struct s3e_span http = S3E_LIT("http://"), tls = S3E_LIT("https://");
    const size_t skip = s3e_span_starts(value, http)  ? http.len
                        : s3e_span_starts(value, tls) ? tls.len
                                                      : 0;
    bool well = skip > 0;
    while (value.len > skip && value.ptr[value.len - 1] == '/') {
        value.len--;
    }
    for (size_t i = skip; i < value.len; i++) {
        const uint8_t c = value.ptr[i];
        well = well && c > ' ' && c < 0x7f && !strchr("@?#\\\"", c);
    }
    if (!well || value.len == skip || value.ptr[skip] == '/') {
        return s3e_fail(err, S3E_E_INPUT,
            "%s is not an endpoint such as https://host:9000, without user "
            "name, query or spaces",
            from);
    }
    return keep(&r->info.endpoint_url, value, err);
}

static s3e_rc set_addressing(struct s3e_resolved *r, struct s3e_span value,
    const char *from, struct s3e_err *err)
{
    if (!s3e_span_eq(value, S3E_LIT("auto")) &&
        !s3e_span_eq(value, S3E_LIT("path")) &&
        !s3e_span_eq(value, S3E_LIT("virtual"))) {
        return wrong(from, value, "auto, path or virtual", err);
    }
    return keep(&r->info.addressing_style, value, err);
}

static s3e_rc set_anonymous(struct s3e_resolved *r, struct s3e_span value,
    const char *from, struct s3e_err *err)
{
    return s3e_number_bool(&r->anonymous, value)
               ? S3E_OK
               : wrong(from, value, "0 or 1", err);
}

static s3e_rc set_request_payer(struct s3e_resolved *r, struct s3e_span value,
    const char *from, struct s3e_err *err)
{
    return s3e_span_eq(value, S3E_LIT("requester"))
               ? keep(&r->info.request_payer, value, err)
               : wrong(from, value, "requester", err);
}

static s3e_rc set_owner(struct s3e_resolved *r, struct s3e_span value,
    const char *from, struct s3e_err *err)
{
    enum { ACCOUNT_LEN = 12 };
    bool well = value.len == ACCOUNT_LEN;
    for (size_t i = 0; well && i < value.len; i++) {
        well = value.ptr[i] >= '0' && value.ptr[i] <= '9';
    }
    return well ? keep(&r->info.expected_bucket_owner, value, err)
                : wrong(from, value, "an account number of 12 digits", err);
}

static s3e_rc set_ca_bundle(struct s3e_resolved *r, struct s3e_span value,
    const char *from, struct s3e_err *err)
{
    if (strcmp(from, "AWS_CA_BUNDLE") == 0) {
        return S3E_OK; /* ca.c reads it too, and names it in its errors */
    }
    const s3e_rc rc = keep(&r->ca_bundle, value, err);
    r->info.route.ca_bundle = r->ca_bundle;
    return rc;
}

static s3e_rc set_access_key_id(struct s3e_resolved *r, struct s3e_span value,
    const char *from, struct s3e_err *err)
{
    (void)from;
    return keep(&r->access_key_id, value, err);
}

static s3e_rc set_secret(struct s3e_resolved *r, struct s3e_span value,
    const char *from, struct s3e_err *err)
{
    (void)from;
    return keep(&r->secret_access_key, value, err);
}

static s3e_rc set_session_token(struct s3e_resolved *r, struct s3e_span value,
    const char *from, struct s3e_err *err)
{
    (void)from;
    return keep(&r->session_token, value, err);
}

static s3e_rc set_max_attempts(struct s3e_resolved *r, struct s3e_span value,
    const char *from, struct s3e_err *err)
{
    return s3e_number_uint(&r->info.max_attempts, value, 1, 20)
               ? S3E_OK
               : wrong(from, value, "a number of 1 to 20", err);
}

static s3e_rc set_connect_timeout(struct s3e_resolved *r, struct s3e_span value,
    const char *from, struct s3e_err *err)
{
    return s3e_number_seconds(&r->info.route.connect_timeout_ms, value)
               ? S3E_OK
               : wrong(from, value, "seconds, 0.001 to 3600", err);
}

static s3e_rc set_read_timeout(struct s3e_resolved *r, struct s3e_span value,
    const char *from, struct s3e_err *err)
{
    return s3e_number_seconds(&r->info.route.stall_timeout_ms, value)
               ? S3E_OK
               : wrong(from, value, "seconds, 0.001 to 3600", err);
}

static s3e_rc set_max_connections(struct s3e_resolved *r, struct s3e_span value,
    const char *from, struct s3e_err *err)
{
    unsigned count = 0;
    if (!s3e_number_uint(&count, value, 1, 1024)) {
        return wrong(from, value, "a number of 1 to 1024", err);
    }
    r->info.route.max_connections = (int)count;
    return S3E_OK;
}

#define AT(member) offsetof(struct s3e_overrides, member)

static const struct setting settings[] = {
    {"region", AT(region), {"AWS_REGION", "AWS_DEFAULT_REGION"}, "", "region",
        set_region},
    {"endpoint_url", AT(endpoint_url),
        {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}, "", "endpoint_url",
        set_endpoint},
    {"addressing_style", AT(addressing_style), {NULL}, "s3", "addressing_style",
        set_addressing},
    {"no_sign_request", AT(no_sign_request), {NULL}, NULL, NULL, set_anonymous},
    {"request_payer", AT(request_payer), {NULL}, NULL, NULL, set_request_payer},
    {"expected_bucket_owner", AT(expected_bucket_owner), {NULL}, NULL, NULL,
        set_owner},
    {"ca_bundle", AT(ca_bundle), {"AWS_CA_BUNDLE"}, "", "ca_bundle",
        set_ca_bundle},
    {"aws_access_key_id", AT(access_key_id), {NULL}, NULL, NULL,
        set_access_key_id},
    {"aws_secret_access_key", AT(secret_access_key), {NULL}, NULL, NULL,
        set_secret},
    {"aws_session_token", AT(session_token), {NULL}, NULL, NULL,
        set_session_token},
    {"max_attempts", AT(max_attempts), {"AWS_MAX_ATTEMPTS"}, "", "max_attempts",
        set_max_attempts},
    {"connect_timeout", AT(connect_timeout), {NULL}, NULL, NULL,
        set_connect_timeout},
    {"read_timeout", AT(read_timeout), {NULL}, NULL, NULL, set_read_timeout},
    {"max_connections", AT(max_connections), {NULL}, NULL, NULL,
        set_max_connections},
};

/* The first of SQL's, the environment's and the profile's value; `*from` says
 * whose it is. */
static struct s3e_span look(const struct setting *s,
    const struct s3e_overrides *overrides, const struct s3e_env *env,
    const struct s3e_profile *profile, const char **from)
{
    const char *value = NULL;
    memcpy(&value, (const char *)overrides + s->override_at, sizeof value);
    *from = s->name;
    for (size_t i = 0; i < 2 && s->env[i] && !(value && *value); i++) {
        value = s3e_env_get(env, s->env[i]);
        *from = s->env[i];
    }
    if (value && *value) {
        return s3e_span_str(value);
    }
    *from = s->name;
    return s->key ? s3e_profile_get(profile, s->group, s->key)
                  : (struct s3e_span){0};
}

/* Endpoints that were configured for every program may be switched off. */
static bool configured_endpoints_ignored(const struct s3e_env *env)
{
    bool ignored = false;
    const char *off = s3e_env_get(env, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    return off && s3e_number_bool(&ignored, s3e_span_str(off)) && ignored;
}

s3e_rc s3e_resolve(struct s3e_resolved *out,
    const struct s3e_overrides *overrides, const struct s3e_env *env,
    const struct s3e_profile *profile, struct s3e_err *err)
{
    s3e_rc rc = S3E_OK;
    *out = (struct s3e_resolved){.info = {.max_attempts = ATTEMPTS}};
    for (size_t i = 0; rc == S3E_OK && i < sizeof settings / sizeof *settings;
         i++) {
        const struct setting *s = &settings[i];
        const char *from = NULL;
        const struct s3e_span value = look(s, overrides, env, profile, &from);
        const bool ignored =
            s->set == set_endpoint &&
            value.ptr != (const void *)overrides->endpoint_url &&
            configured_endpoints_ignored(env);
        if (value.len > VALUE_MAX) {
            rc = s3e_fail(err, S3E_E_INPUT, "%s is longer than %d bytes", from,
                VALUE_MAX);
        } else if (value.len && !ignored) {
            rc = s->set(out, value, from, err);
        }
    }
    if (rc == S3E_OK && !out->info.addressing_style) {
        rc = keep(&out->info.addressing_style, S3E_LIT("auto"), err);
    }
    if (rc) {
        s3e_resolved_deinit(out);
    }
    return rc;
}

void s3e_resolved_deinit(struct s3e_resolved *resolved)
{
    s3e_free(resolved->info.endpoint_url);
    s3e_free(resolved->info.addressing_style);
    s3e_free(resolved->info.request_payer);
    s3e_free(resolved->info.expected_bucket_owner);
    s3e_free(resolved->region);
    s3e_free(resolved->ca_bundle);
    s3e_free_secret(resolved->access_key_id);
    s3e_free_secret(resolved->secret_access_key);
    s3e_free_secret(resolved->session_token);
    *resolved = (struct s3e_resolved){0};
}
