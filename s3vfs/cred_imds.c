/* s3vfs/cred_imds.c - the role of an EC2 instance, by the metadata service's
 * version 2: a token first, then the role's name, its keys, and the region.
 * Source: Amazon EC2 User Guide, "Retrieve security credentials from instance
 * metadata"; botocore's IMDSFetcher for the settings. */
#include "s3vfs/cred_chain.h"

#include "base/mem.h"
#include "s3vfs/cred_json.h"
#include "s3vfs/number.h"
#include "s3vfs/uri.h"

#include <stdio.h>
#include <strings.h>

enum {
    TEXT_MAX = 4096, /* bytes of a url or header */
    ANSWER_MAX = 64 * 1024,
    BUSY_ATTEMPTS = 3, /* where it is there and says that it is busy */
    PAUSE_MS = 100
};

#define TOKEN_PATH   "/latest/api/token"
#define TOKEN_TTL    "X-aws-ec2-metadata-token-ttl-seconds: 21600"
#define TOKEN_HEADER "X-aws-ec2-metadata-token: "
#define ROLE_PATH    "/latest/meta-data/iam/security-credentials/"
#define REGION_PATH  "/latest/meta-data/placement/region"

struct imds {
    const struct s3e_cred_query *query;
    struct s3e_span endpoint; /* without a last slash */
    unsigned attempts;        /* where it does not answer */
    struct s3e_route route;
    struct s3e_buf header; /* the token's, once there is one */
};

/* The environment's value, else the profile's. */
static struct s3e_span setting(
    const struct s3e_cred_query *query, const char *env, const char *key)
{
    const char *value = s3e_env_get(query->env, env);
    return value ? s3e_span_str(value)
                 : s3e_profile_get(query->profile, "", key);
}

static bool is_word(struct s3e_span text, const char *word)
{
    return text.len == strlen(word) &&
           strncasecmp((const char *)text.ptr, word, text.len) == 0;
}

static s3e_rc configure(struct imds *m, struct s3e_err *err)
{
    const struct s3e_span mode =
        setting(m->query, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
            "ec2_metadata_service_endpoint_mode");
    const struct s3e_span timeout = setting(
        m->query, "AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout");
    const struct s3e_span attempts = setting(m->query,
        "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts");
    int timeout_ms = 1000;
    m->attempts = 1;
    m->endpoint = setting(m->query, "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "ec2_metadata_service_endpoint");
    if (!m->endpoint.ptr) {
        m->endpoint = is_word(mode, "IPv6") ? S3E_LIT("http://[fd00:ec2::254]")
                                            : S3E_LIT("http://169.254.169.254");
    }
    if (m->endpoint.ptr[m->endpoint.len - 1] == '/') {
        m->endpoint.len--;
    }
    if (!s3e_span_starts(m->endpoint, S3E_LIT("http://")) &&
        !s3e_span_starts(m->endpoint, S3E_LIT("https://"))) {
        return s3e_fail(err, S3E_E_NOTFOUND,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT is not an http:// url");
    }
    if (timeout.ptr && !s3e_number_seconds(&timeout_ms, timeout)) {
        return s3e_fail(err, S3E_E_NOTFOUND,
            "AWS_METADATA_SERVICE_TIMEOUT is not a number of seconds");
    }
    if (attempts.ptr && !s3e_number_uint(&m->attempts, attempts, 1, 20)) {
        return s3e_fail(err, S3E_E_NOTFOUND,
            "AWS_METADATA_SERVICE_NUM_ATTEMPTS is not a number of 1 to 20");
    }
    m->route = (struct s3e_route){.proxy = "",
        .connect_timeout_ms = timeout_ms,
        .stall_timeout_ms = timeout_ms,
        .total_timeout_ms = 2 * timeout_ms};
    return S3E_OK;
}

/* Wipes the answer, which may be keys, and frees it. */
static void release(struct s3e_exchange *ex)
{
    if (ex->out.body) {
        s3e_wipe(ex->out.body->data, ex->out.body->len);
    }
    s3e_exchange_reset(ex);
}

static bool ask_again(
    const struct imds *m, const struct s3e_exchange *ex, unsigned asked)
{
    if (ex->out.rc == S3E_OK) {
        const bool busy = ex->out.status == 429 || ex->out.status >= 500;
        return busy && (asked < m->attempts || asked < BUSY_ATTEMPTS);
    }
    return (ex->out.rc == S3E_E_UNREACHABLE || ex->out.rc == S3E_E_IO) &&
           asked < m->attempts;
}

/* S3E_OK: an answer with status 200 and a body is in `ex`, for release(). */
static s3e_rc ask(const struct imds *m, struct s3e_exchange *ex,
    const char *method, const char *url, const char *header,
    struct s3e_err *err)
{
    const char *const headers[] = {header, NULL};
    s3e_rc rc = S3E_OK;
    for (unsigned asked = 0; asked == 0 || ask_again(m, ex, asked); asked++) {
        release(ex);
        ex->in.method = method;
        ex->in.url = url;
        ex->in.headers = headers;
        ex->in.route = &m->route;
        ex->in.max_body = ANSWER_MAX;
        ex->in.delay_ms = (int)(PAUSE_MS * asked);
        rc = s3e_exchange_run(
            m->query->transport, ex, m->query->stop, m->query->stop_ctx);
    }
    ex->in.headers = NULL;
    if (rc == S3E_E_STOPPED || rc == S3E_E_NOMEM) {
        *err = ex->out.err;
        return rc;
    }
    if (rc) {
        return s3e_fail(err, S3E_E_NOTFOUND,
            "%.120s (on EC2 in a container, set the hop limit to 2)",
            ex->out.err.msg);
    }
    if (ex->out.status != 200 || !ex->out.body) {
        return s3e_fail(err, S3E_E_NOTFOUND, "%s %.100s answered %d", method,
            url, ex->out.status);
    }
    return S3E_OK;
}

/* Asks for `path` and what stands behind it, with the token where there is
 * one. */
static s3e_rc get(struct imds *m, struct s3e_exchange *ex, const char *path,
    struct s3e_span behind, struct s3e_err *err)
{
    struct s3e_buf url = S3E_BUF(TEXT_MAX);
    const bool first = m->header.len == 0;
    s3e_buf_add(&url, m->endpoint);
    s3e_buf_add_str(&url, path);
    s3e_uri_encode(&url, behind, false);
    s3e_buf_add_byte(&url, '\0');
    s3e_rc rc = s3e_buf_check(&url, "url of the metadata service", err);
    if (rc == S3E_OK) {
        rc = ask(m, ex, first ? "PUT" : "GET", (const char *)url.ptr,
            first ? TOKEN_TTL : (const char *)m->header.ptr, err);
    }
    s3e_buf_free(&url);
    return rc;
}

/* The first line of an answer. */
static struct s3e_span first_line(const struct s3e_exchange *ex)
{
    struct s3e_span line = s3e_blob_span(ex->out.body);
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] <= ' ' || line.ptr[i] > '~') {
            line.len = i;
        }
    }
    return line;
}

static s3e_rc get_token(struct imds *m, struct s3e_err *err)
{
    struct s3e_exchange ex = {0};
    s3e_rc rc = get(m, &ex, TOKEN_PATH, S3E_LIT(""), err);
    if (rc == S3E_OK) {
        s3e_buf_add_str(&m->header, TOKEN_HEADER);
        s3e_buf_add(&m->header, first_line(&ex));
        s3e_buf_add_byte(&m->header, '\0');
        rc = s3e_buf_check(&m->header, "token of the metadata service", err);
    }
    release(&ex);
    return rc;
}

/* *role is for s3e_free. */
static s3e_rc get_role(struct imds *m, char **role, struct s3e_err *err)
{
    struct s3e_exchange ex = {0};
    s3e_rc rc = get(m, &ex, ROLE_PATH, S3E_LIT(""), err);
    if (ex.out.rc == S3E_OK && ex.out.status == 404) {
        rc = s3e_fail(err, S3E_E_NOTFOUND,
            "this instance has no IAM role: attach an instance profile");
    }
    if (rc == S3E_OK) {
        *role = s3e_strdup(first_line(&ex));
        rc = *role ? S3E_OK
                   : s3e_fail(err, S3E_E_NOMEM, "no memory for a role's name");
    }
    release(&ex);
    return rc;
}

static s3e_rc get_keys(struct imds *m, struct s3e_cred_found *out,
    const char *role, struct s3e_err *err)
{
    char source[200];
    struct s3e_exchange ex = {0};
    s3e_rc rc = get(m, &ex, ROLE_PATH, s3e_span_str(role), err);
    if (rc == S3E_OK) {
        (void)snprintf(source, sizeof source, "IMDS role %s", role);
        rc = s3e_cred_json(
            &out->credentials, s3e_blob_span(ex.out.body), source, err);
        if (rc == S3E_E_FORMAT) {
            rc = s3e_prefix(err, S3E_E_NOTFOUND, "role %.60s", role);
        }
    }
    release(&ex);
    return rc;
}

/* Keys without a region are still of use. */
static s3e_rc get_region(
    struct imds *m, struct s3e_cred_found *out, struct s3e_err *err)
{
    struct s3e_exchange ex = {0};
    const s3e_rc rc = get(m, &ex, REGION_PATH, S3E_LIT(""), err);
    if (rc == S3E_OK) {
        const struct s3e_span region = first_line(&ex);
        if (s3e_region_check(region)) {
            memcpy(out->region, region.ptr, region.len);
            out->region[region.len] = '\0';
        }
    }
    release(&ex);
    return rc == S3E_E_NOTFOUND ? S3E_OK : rc;
}

s3e_rc s3e_cred_imds(struct s3e_cred_found *out,
    const struct s3e_cred_query *query, struct s3e_err *err)
{
    bool disabled = false;
    char *role = NULL;
    struct imds m = {.query = query, .header = S3E_BUF(TEXT_MAX)};
    const char *off = s3e_env_get(query->env, "AWS_EC2_METADATA_DISABLED");
    if (off && s3e_number_bool(&disabled, s3e_span_str(off)) && disabled) {
        return s3e_fail(
            err, S3E_E_NOTFOUND, "switched off by AWS_EC2_METADATA_DISABLED");
    }
    s3e_rc rc = configure(&m, err);
    if (rc == S3E_OK) {
        rc = get_token(&m, err);
    }
    if (rc == S3E_OK) {
        rc = get_role(&m, &role, err);
    }
    if (rc == S3E_OK) {
        rc = get_keys(&m, out, role, err);
    }
    if (rc == S3E_OK && query->want_region) {
        rc = get_region(&m, out, err);
    }
    s3e_free(role);
    s3e_buf_free(&m.header);
    return rc;
}
