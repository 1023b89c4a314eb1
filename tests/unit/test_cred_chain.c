#include "s3vfs/cred_chain.h"
#include "s3vfs/cred_json.h"
#include "tests/harness.h"
#include "tests/unit/fake_imds.h"

#include "base/mem.h"

/* One walk: the environment, the profile's files as text, SQL's settings. */
struct walk {
    struct fake_env env[8];
    const char *credentials, *config; /* text of the files; NULL: not there */
    struct s3e_cred_query query;
    struct fake_imds imds;
};

static s3e_rc file_of(struct s3e_profile_file *file, const char *name,
    const char *text, const char *section)
{
    struct s3e_err err;
    file->path = s3e_strdup(s3e_span_str(name));
    file->rc = text ? S3E_OK : S3E_E_NOTFOUND;
    if (!file->path) {
        return S3E_E_NOMEM;
    }
    if (!text) {
        return S3E_OK;
    }
    const s3e_rc rc = s3e_ini_parse(&file->ini, name, s3e_span_str(text), &err);
    if (rc == S3E_OK &&
        s3e_ini_has_section(&file->ini, s3e_span_str(section))) {
        file->section = s3e_strdup(s3e_span_str(section));
        return file->section ? S3E_OK : S3E_E_NOMEM;
    }
    return rc;
}

static s3e_rc run(
    struct s3e_cred_found *out, struct walk *w, struct s3e_err *err)
{
    const struct s3e_env env = {fake_getenv, w->env};
    struct s3e_profile profile = {.name = s3e_strdup(S3E_LIT("default"))};
    s3e_rc rc = profile.name ? S3E_OK : S3E_E_NOMEM;
    if (rc == S3E_OK) {
        rc = file_of(
            &profile.credentials, "~/credentials", w->credentials, "default");
    }
    if (rc == S3E_OK) {
        rc = file_of(&profile.config, "~/config", w->config, "default");
    }
    if (rc == S3E_OK) {
        w->query.env = &env;
        w->query.profile = &profile;
        w->query.transport = &w->imds.transport;
        w->imds.next = 0;
        rc = s3e_cred_find(out, &w->query, err);
    }
    s3e_profile_deinit(&profile);
    return rc;
}

static struct walk walk_zero(void)
{
    return (struct walk){.imds = fake_imds_of(NULL, 0)};
}

static void check_found(
    struct walk *w, const char *id, const char *token, const char *source)
{
    struct s3e_err err;
    struct s3e_cred_found found;
    CHECK_RC(run(&found, w, &err), S3E_OK, &err);
    CHECK_STR(found.credentials.access_key_id, id);
    CHECK((found.credentials.session_token != NULL) == (token != NULL));
    if (token) {
        CHECK_STR(found.credentials.session_token, token);
    }
    CHECK_STR(found.credentials.source, source);
    s3e_credentials_deinit(&found.credentials);
}

#define SHARED                                                                 \
 "[default]\naws_access_key_id = AKPROFILE\n"                                  \
 "aws_secret_access_key = profile/secret\naws_session_token = profile-token\n"

/* Each source steps in where those before it have nothing. */
static void sources_are_asked_in_order(void)
{
    static const struct fake_step steps[] = {TOKEN_STEP, ROLE_STEP, KEYS_STEP};
    struct walk w = walk_zero();
    w.imds = fake_imds_of(steps, 3);
    check_found(&w, "ASIAROLE", "role/token==", "IMDS role s3_access");
    CHECK_STR(w.imds.last_header, "X-aws-ec2-metadata-token: the-token==");

    w.config = "[default]\naws_access_key_id = AKCONFIG\n"
               "aws_secret_access_key = config/secret\n";
    check_found(&w, "AKCONFIG", NULL, "profile default");
    w.credentials = SHARED;
    check_found(&w, "AKPROFILE", "profile-token", "profile default");
    w.env[0] = (struct fake_env){"AWS_ACCESS_KEY_ID", "AKENV"};
    w.env[1] = (struct fake_env){"AWS_SECRET_ACCESS_KEY", "env/secret"};
    check_found(&w, "AKENV", NULL, "environment");
    w.env[2] = (struct fake_env){"AWS_SESSION_TOKEN", "env-token"};
    check_found(&w, "AKENV", "env-token", "environment");
    w.query.profile_named = true;
    check_found(&w, "AKPROFILE", "profile-token", "profile default");
    w.query.access_key_id = "AKSQL";
    w.query.secret_access_key = "sql/secret";
    check_found(&w, "AKSQL", NULL, "s3_config");
    w.query.session_token = "sql-token";
    check_found(&w, "AKSQL", "sql-token", "s3_config");

    struct s3e_err err;
    struct s3e_cred_found found;
    w.query.anonymous = true;
    CHECK_RC(run(&found, &w, &err), S3E_OK, &err);
    CHECK(found.credentials.anonymous && !found.credentials.access_key_id);
    CHECK_STR(found.credentials.source, "anonymous");
    s3e_credentials_deinit(&found.credentials);
}

static void no_credentials_lists_what_was_tried(void)
{
    struct s3e_err err;
    struct s3e_cred_found found;
    struct walk w = walk_zero();
    CHECK(run(&found, &w, &err) == S3E_E_AUTH);
    CHECK_STR(err.msg,
        "no credentials found (env: AWS_ACCESS_KEY_ID is not set; profile: "
        "[default] ~/credentials: no such file, ~/config: no such file; imds: "
        "connection refused (on EC2 in a container, set the hop limit to 2)); "
        "for a public bucket s3_config('no_sign_request', 1)");

    w.credentials = "[other]\n";
    w.config = "[default]\nregion = eu-west-3\n";
    w.env[0] = (struct fake_env){"AWS_EC2_METADATA_DISABLED", "TRUE"};
    w.imds.strict = true; /* then nothing is asked */
    CHECK(run(&found, &w, &err) == S3E_E_AUTH);
    CHECK_STR(err.msg,
        "no credentials found (env: AWS_ACCESS_KEY_ID is not set; profile: "
        "[default] ~/credentials: no such section in it, ~/config: no "
        "aws_access_key_id in it; imds: switched off by "
        "AWS_EC2_METADATA_DISABLED); for a public bucket "
        "s3_config('no_sign_request', 1)");
    CHECK(!found.credentials.access_key_id && !found.credentials.source);
}

/* Half a pair is a mistake, not a reason to go on and sign as someone else. */
static void half_a_pair_ends_the_walk(void)
{
    struct s3e_err err;
    struct s3e_cred_found found;
    struct walk w = walk_zero();
    w.credentials = "[default]\naws_access_key_id = AKHALF\n";
    CHECK(run(&found, &w, &err) == S3E_E_AUTH);
    CHECK_STR(err.msg, "~/credentials: [default] has aws_access_key_id but no "
                       "aws_secret_access_key");
    w.env[0] = (struct fake_env){"AWS_ACCESS_KEY_ID", "AKENV"};
    CHECK(run(&found, &w, &err) == S3E_E_AUTH);
    CHECK(strstr(err.msg, "no AWS_SECRET_ACCESS_KEY") != NULL);
    w.query.secret_access_key = "very-secret";
    CHECK(run(&found, &w, &err) == S3E_E_AUTH);
    CHECK_STR(err.msg,
        "s3_config has aws_secret_access_key but no aws_access_key_id");
}

static void keys_with_line_ends_are_refused(void)
{
    static const struct {
        const char *id, *secret, *token;
    } cases[] = {
        {"AK\n", "secret", NULL},
        {"AK", "secret\r", NULL},
        {"AK", "sec ret", NULL},
        {"AK", "secret", "tok\nen"},
        {"AK\xc3\xa9", "secret", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_err err;
        struct s3e_cred_found found;
        struct walk w = walk_zero();
        w.query.access_key_id = cases[i].id;
        w.query.secret_access_key = cases[i].secret;
        w.query.session_token = cases[i].token;
        CHECK(run(&found, &w, &err) == S3E_E_AUTH);
        CHECK(strstr(err.msg, "a space or line end?") != NULL);
        CHECK(!strstr(err.msg, "sec") && !strstr(err.msg, "tok"));
    }
}

/* What may go wrong between an instance and its role, and what it says. */
static void imds_says_what_failed(void)
{
#define ROLES "/latest/meta-data/iam/security-credentials/"
    static const struct {
        const char *says;
        size_t num_steps;
        struct fake_step steps[4];
    } cases[] = {
        {"PUT http://169.254.169.254/latest/api/token answered 403", 1,
            {{"PUT", "/latest/api/token", 403, "no"}}},
        {"PUT http://169.254.169.254/latest/api/token answered 200", 1,
            {{"PUT", "/latest/api/token", 200, NULL}}},
        {"this instance has no IAM role", 2,
            {TOKEN_STEP, {"GET", ROLES, 404, "Not Found"}}},
        {"security-credentials/ answered 401", 2,
            {TOKEN_STEP, {"GET", ROLES, 401, "who?"}}},
        {"role s3_access: its answer is not a JSON object", 3,
            {TOKEN_STEP, ROLE_STEP, {"GET", KEYS_PATH, 200, "<html>"}}},
        {"role s3_access: its answer is not a JSON object", 3,
            {TOKEN_STEP, ROLE_STEP, {"GET", KEYS_PATH, 200, "[1]"}}},
        {"role s3_access: its answer has no AccessKeyId", 3,
            {TOKEN_STEP, ROLE_STEP, {"GET", KEYS_PATH, 200, "{}"}}},
        {"role s3_access: it answers Code AssumeRoleUnauthorizedAccess", 3,
            {TOKEN_STEP, ROLE_STEP,
                {"GET", KEYS_PATH, 200,
                    "{\"Code\":\"AssumeRoleUnauthorizedAccess\"}"}}},
        {"role s3_access: the Expiration in its answer is not a time", 3,
            {TOKEN_STEP, ROLE_STEP, {"GET", KEYS_PATH, 200, KEYS("soon")}}},
        {"answered 503", 3,
            {{"PUT", "/latest/api/token", 503, "busy"},
                {"PUT", "/latest/api/token", 503, "busy"},
                {"PUT", "/latest/api/token", 503, "busy"}}},
        {"connection refused", 1, {TOKEN_STEP}}, /* then it is gone */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_err err;
        struct s3e_cred_found found;
        struct walk w = walk_zero();
        w.imds = fake_imds_of(cases[i].steps, cases[i].num_steps);
        in_case(cases[i].says);
        CHECK(run(&found, &w, &err) == S3E_E_AUTH);
        if (!strstr(err.msg, cases[i].says)) {
            CHECK_STR(err.msg, cases[i].says);
        }
        CHECK(!strstr(err.msg, "role/") && !strstr(err.msg, "the-token"));
        CHECK(w.imds.next == cases[i].num_steps);
    }
    in_case(NULL);
}

static void imds_is_asked_again_where_that_may_help(void)
{
    static const struct fake_step busy[] = {
        {"PUT", "/latest/api/token", 503, "busy"}, TOKEN_STEP, ROLE_STEP,
        {"GET", KEYS_PATH, 500, NULL}, KEYS_STEP};
    static const struct fake_step flaky[] = {
        {"PUT", "/latest/api/token", 0, NULL}, TOKEN_STEP, ROLE_STEP,
        KEYS_STEP};
    struct walk w = walk_zero();
    w.imds = fake_imds_of(busy, 5);
    w.imds.strict = true;
    check_found(&w, "ASIAROLE", "role/token==", "IMDS role s3_access");
    w.imds = fake_imds_of(flaky, 4);
    w.env[0] = (struct fake_env){"AWS_METADATA_SERVICE_NUM_ATTEMPTS", "2"};
    check_found(&w, "ASIAROLE", "role/token==", "IMDS role s3_access");
}

static void imds_tells_the_region_where_asked(void)
{
    static const struct {
        const char *answer, *region;
        int status;
    } cases[] = {
        {"eu-west-3", "eu-west-3", 200},
        {"eu-west-3\n", "eu-west-3", 200},
        {"Not Found", "", 404},
        {"evil.com/", "", 200},
        {"", "", 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_err err;
        struct s3e_cred_found found;
        struct walk w = walk_zero();
        const struct fake_step steps[] = {TOKEN_STEP, ROLE_STEP, KEYS_STEP,
            {"GET", "/latest/meta-data/placement/region", cases[i].status,
                cases[i].answer}};
        w.imds = fake_imds_of(steps, 4);
        w.query.want_region = true;
        CHECK_RC(run(&found, &w, &err), S3E_OK, &err);
        CHECK_STR(found.region, cases[i].region);
        CHECK(found.credentials.expires == 4070908800);
        CHECK(w.imds.next == 4);
        s3e_credentials_deinit(&found.credentials);
    }
}

static void imds_may_be_elsewhere(void)
{
    static const struct fake_step steps[] = {TOKEN_STEP, ROLE_STEP, KEYS_STEP};
    static const struct {
        const char *name, *value, *endpoint;
    } cases[] = {
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338/",
            "http://127.0.0.1:1338"},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv6",
            "http://[fd00:ec2::254]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct walk w = walk_zero();
        w.imds = fake_imds_of(steps, 3);
        w.imds.endpoint = cases[i].endpoint;
        w.env[0] = (struct fake_env){cases[i].name, cases[i].value};
        check_found(&w, "ASIAROLE", "role/token==", "IMDS role s3_access");
    }
    static const struct fake_env wrong[] = {
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "ftp://x"},
        {"AWS_METADATA_SERVICE_TIMEOUT", "long"},
        {"AWS_METADATA_SERVICE_NUM_ATTEMPTS", "0"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct s3e_err err;
        struct s3e_cred_found found;
        struct walk w = walk_zero();
        w.imds.strict = true;
        w.env[0] = wrong[i];
        CHECK(run(&found, &w, &err) == S3E_E_AUTH);
        CHECK(strstr(err.msg, wrong[i].name) != NULL);
    }
}

static s3e_rc sweep_profile(void *ctx)
{
    struct s3e_err err;
    struct s3e_cred_found found = {0};
    struct walk w = walk_zero();
    (void)ctx;
    w.credentials = SHARED;
    const s3e_rc rc = run(&found, &w, &err);
    s3e_credentials_deinit(&found.credentials);
    return rc;
}

static s3e_rc sweep_imds(void *ctx)
{
    static const struct fake_step steps[] = {
        TOKEN_STEP, ROLE_STEP, KEYS_STEP, REGION_STEP};
    struct s3e_err err;
    struct s3e_cred_found found = {0};
    struct walk w = walk_zero();
    (void)ctx;
    w.imds = fake_imds_of(steps, 4);
    w.query.want_region = true;
    const s3e_rc rc = run(&found, &w, &err);
    s3e_credentials_deinit(&found.credentials);
    return rc;
}

int main(void)
{
    count_allocations();
    sources_are_asked_in_order();
    no_credentials_lists_what_was_tried();
    half_a_pair_ends_the_walk();
    keys_with_line_ends_are_refused();
    imds_says_what_failed();
    imds_is_asked_again_where_that_may_help();
    imds_tells_the_region_where_asked();
    imds_may_be_elsewhere();
    sweep_allocations(sweep_profile, NULL);
    sweep_allocations(sweep_imds, NULL);
    CHECK(live_allocations() == 0);
    return 0;
}
