/* tests/unit/fake_imds.h - an environment in a table, and a transport that
 * plays an instance metadata service from a script. */
#ifndef S3E_TESTS_FAKE_IMDS_H
#define S3E_TESTS_FAKE_IMDS_H

#include "s3vfs/transport.h"
#include "tests/harness.h"

struct fake_env {
    const char *name, *value; /* ends with name NULL */
};

static inline const char *fake_getenv(void *ctx, const char *name)
{
    for (const struct fake_env *e = ctx; e->name; e++) {
        if (strcmp(e->name, name) == 0) {
            return e->value;
        }
    }
    return NULL;
}

/* One request as it must come, and what it is answered. */
struct fake_step {
    const char *method, *path;
    int status;       /* 0: nobody answers */
    const char *body; /* NULL: none */
};

struct fake_imds {
    struct s3e_transport transport;
    const char *endpoint; /* NULL: the link-local one */
    const struct fake_step *steps;
    size_t num_steps, next;
    const char *header; /* of the last request */
    char last_header[300];
    bool strict; /* a request off the script fails the test */
};

static inline void fake_answer(
    struct s3e_exchange *ex, const struct fake_step *step)
{
    ex->out.rc = S3E_OK;
    ex->out.status = step->status;
    if (step->status == 0) {
        ex->out.rc =
            s3e_fail(&ex->out.err, S3E_E_UNREACHABLE, "connection refused");
    } else if (step->body) {
        ex->out.body = s3e_blob_new(0);
        ex->out.rc = ex->out.body
                         ? s3e_blob_append(&ex->out.body,
                               s3e_span_str(step->body), ex->in.max_body)
                         : S3E_E_NOMEM;
        if (ex->out.rc) {
            (void)s3e_fail(&ex->out.err, ex->out.rc, "no memory");
        }
    }
}

static inline void fake_start(struct s3e_transport *t, struct s3e_exchange *ex)
{
    struct fake_imds *imds = (void *)t;
    static const struct fake_step nobody = {.status = 0};
    const struct fake_step *step = &nobody;
    const char *endpoint =
        imds->endpoint ? imds->endpoint : "http://169.254.169.254";
    (void)snprintf(
        imds->last_header, sizeof imds->last_header, "%s", ex->in.headers[0]);
    if (imds->next < imds->num_steps) {
        step = &imds->steps[imds->next++];
        CHECK_STR(ex->in.method, step->method);
        CHECK(strncmp(ex->in.url, endpoint, strlen(endpoint)) == 0);
        CHECK_STR(ex->in.url + strlen(endpoint), step->path);
        CHECK_STR(ex->in.route->proxy, "");
    } else {
        CHECK(!imds->strict);
    }
    fake_answer(ex, step);
    ex->in.done(ex);
}

static inline void fake_cancel(struct s3e_transport *t, struct s3e_exchange *ex)
{
    (void)t;
    (void)ex;
}

static inline struct fake_imds fake_imds_of(
    const struct fake_step *steps, size_t num_steps)
{
    return (struct fake_imds){.transport = {fake_start, fake_cancel},
        .steps = steps,
        .num_steps = num_steps};
}

#define TOKEN_STEP                                                             \
 {                                                                             \
  "PUT", "/latest/api/token", 200, "the-token=="                               \
 }
#define ROLE_STEP                                                              \
 {                                                                             \
  "GET", "/latest/meta-data/iam/security-credentials/", 200, "s3_access\n"     \
 }
#define KEYS_PATH "/latest/meta-data/iam/security-credentials/s3_access"
#define KEYS(expiration)                                                       \
 "{\"Code\":\"Success\",\"AccessKeyId\":\"ASIAROLE\",\"SecretAccessKey\":"     \
 "\"role/secret\",\"Token\":\"role/token==\",\"Expiration\":\"" expiration     \
 "\"}"
#define KEYS_STEP                                                              \
 {                                                                             \
  "GET", KEYS_PATH, 200, KEYS("2099-01-01T00:00:00Z")                          \
 }
#define REGION_STEP                                                            \
 {                                                                             \
  "GET", "/latest/meta-data/placement/region", 200, "eu-west-3"                \
 }

#endif
