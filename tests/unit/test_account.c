#include "s3vfs/account.h"
#include "tests/harness.h"
#include "tests/unit/fake_imds.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/sync.h"

#include <unistd.h>

static char g_config[] = "/tmp/s3e_account_XXXXXX";

static void write_config(const char *text)
{
    FILE *file = fopen(g_config, "w");
    CHECK(file && fputs(text, file) >= 0);
    CHECK(fclose(file) == 0);
}

/* No file but g_config is ever read. */
#define HOME                                                                   \
 {"HOME", "/nowhere"},                                                         \
 {                                                                             \
  "AWS_CONFIG_FILE", g_config                                                  \
 }
#define KEYS_OF_ENV                                                            \
 {"AWS_ACCESS_KEY_ID", "AKENV"},                                               \
 {                                                                             \
  "AWS_SECRET_ACCESS_KEY", "env/secret"                                        \
 }

static struct s3e_account *open_account(const struct s3e_overrides *overrides,
    struct fake_env *env, struct fake_imds *imds)
{
    struct s3e_err err;
    struct s3e_account *a = NULL;
    CHECK_RC(s3e_account_new(
                 &a, overrides, &imds->transport, fake_getenv, env, &err),
        S3E_OK, &err);
    return a;
}

static void check_region(
    struct s3e_account *a, const char *bucket, const char *want)
{
    char region[64];
    s3e_account_region(a, bucket, region, sizeof region);
    CHECK_STR(region, want);
}

static void the_first_that_says_something_wins(void)
{
    struct fake_imds imds = fake_imds_of(NULL, 0);
    struct fake_env env[] = {HOME, {"AWS_REGION", "eu-west-1"},
        {"AWS_DEFAULT_REGION", "eu-west-2"},
        {"AWS_ENDPOINT_URL_S3", "http://one:9000/"},
        {"AWS_ENDPOINT_URL", "http://two"}, {"AWS_MAX_ATTEMPTS", "5"},
        {NULL, NULL}};
    struct s3e_overrides set = {.region = "eu-west-3",
        .endpoint_url = "https://zero:9443//",
        .max_attempts = "7",
        .addressing_style = "virtual"};
    static const struct {
        const char *region, *endpoint_url, *style;
        unsigned max_attempts;
    } want[] = {
        {"eu-west-3", "https://zero:9443", "virtual", 7},
        {"eu-west-1", "http://one:9000", "path", 5},
        {"eu-west-2", "http://two", "path", 5},
        {"eu-north-1", "http://three/base", "path", 4},
        {"us-east-1", NULL, "auto", 3},
    };
    write_config("[default]\nregion = eu-north-1\nmax_attempts = 4\n"
                 "endpoint_url = http://three/base\n"
                 "s3 =\n  addressing_style = path\n");
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct s3e_account *a = open_account(&set, env, &imds);
        const struct s3e_account_info *info = s3e_account_info(a);
        check_region(a, "bucket", want[i].region);
        CHECK((info->endpoint_url != NULL) == (want[i].endpoint_url != NULL));
        if (info->endpoint_url) {
            CHECK_STR(info->endpoint_url, want[i].endpoint_url);
        }
        CHECK_STR(info->addressing_style, want[i].style);
        CHECK(info->max_attempts == want[i].max_attempts);
        CHECK(info->transport == &imds.transport);
        s3e_account_unref(a);

        /* Take away what won. */
        if (i == 0) {
            set = (struct s3e_overrides){0};
        } else if (i == 1) {
            env[2].value = env[4].value = NULL;
        } else if (i == 2) {
            env[3].value = env[5].value = env[6].value = NULL;
        } else {
            write_config("");
        }
    }
}

static void the_rest_of_the_settings_arrive(void)
{
    struct fake_imds imds = fake_imds_of(NULL, 0);
    struct fake_env env[] = {HOME, {NULL, NULL}};
    const struct s3e_overrides set = {.request_payer = "requester",
        .expected_bucket_owner = "123456789012",
        .ca_bundle = "/my/ca.pem",
        .connect_timeout = "0.5",
        .read_timeout = "30",
        .max_connections = "8"};
    struct s3e_account *a = open_account(&set, env, &imds);
    const struct s3e_account_info *info = s3e_account_info(a);
    CHECK_STR(info->request_payer, "requester");
    CHECK_STR(info->expected_bucket_owner, "123456789012");
    CHECK_STR(info->route.ca_bundle, "/my/ca.pem");
    CHECK(info->route.connect_timeout_ms == 500);
    CHECK(info->route.stall_timeout_ms == 30000);
    CHECK(info->route.max_connections == 8);
    CHECK(!info->route.proxy && info->route.total_timeout_ms == 0);
    s3e_account_unref(a);

    /* The profile's bundle counts, unless the environment names one: that is
     * looked up where it is used. */
    write_config("[default]\nca_bundle = /profile/ca.pem\n");
    a = open_account(&(struct s3e_overrides){0}, env, &imds);
    CHECK_STR(s3e_account_info(a)->route.ca_bundle, "/profile/ca.pem");
    s3e_account_unref(a);
    struct fake_env named[] = {HOME, {"AWS_CA_BUNDLE", "/x"}, {NULL, NULL}};
    a = open_account(&(struct s3e_overrides){0}, named, &imds);
    CHECK(!s3e_account_info(a)->route.ca_bundle);
    s3e_account_unref(a);
    write_config("");
}

static void configured_endpoints_can_be_switched_off(void)
{
    struct fake_imds imds = fake_imds_of(NULL, 0);
    struct fake_env env[] = {HOME, {"AWS_ENDPOINT_URL", "http://two"},
        {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"}, {NULL, NULL}};
    struct s3e_overrides set = {0};
    struct s3e_account *a = open_account(&set, env, &imds);
    CHECK(!s3e_account_info(a)->endpoint_url);
    s3e_account_unref(a);
    set.endpoint_url = "http://mine";
    a = open_account(&set, env, &imds);
    CHECK_STR(s3e_account_info(a)->endpoint_url, "http://mine");
    s3e_account_unref(a);
}

static void wrong_settings_name_their_source(void)
{
    struct fake_imds imds = fake_imds_of(NULL, 0);
    static const struct {
        struct s3e_overrides set;
        const char *name, *value, *says;
    } cases[] = {
        {{.region = "eu west"}, NULL, NULL, "region is 'eu west'"},
        {{0}, "AWS_REGION", "evil.com/#", "AWS_REGION is 'evil.com/#'"},
        {{0}, "AWS_MAX_ATTEMPTS", "many", "AWS_MAX_ATTEMPTS is 'many'"},
        {{.max_attempts = "21"}, NULL, NULL, "a number of 1 to 20"},
        {{.endpoint_url = "host:9000"}, NULL, NULL, "endpoint_url is not"},
        {{.endpoint_url = "http://"}, NULL, NULL, "endpoint_url is not"},
        {{.endpoint_url = "http:///x"}, NULL, NULL, "endpoint_url is not"},
        {{.endpoint_url = "ftp://x"}, NULL, NULL, "endpoint_url is not"},
        {{.endpoint_url = "http://x?y"}, NULL, NULL, "endpoint_url is not"},
        {{.endpoint_url = "http://a b"}, NULL, NULL, "endpoint_url is not"},
        {{0}, "AWS_ENDPOINT_URL", "http://u:secret@x", "AWS_ENDPOINT_URL is"},
        {{.addressing_style = "dns"}, NULL, NULL, "auto, path or virtual"},
        {{.no_sign_request = "maybe"}, NULL, NULL, "0 or 1"},
        {{.request_payer = "me"}, NULL, NULL, "requester"},
        {{.expected_bucket_owner = "1234"}, NULL, NULL, "12 digits"},
        {{.connect_timeout = "0"}, NULL, NULL, "connect_timeout is '0'"},
        {{.read_timeout = "x"}, NULL, NULL, "read_timeout is 'x'"},
        {{.max_connections = "1025"}, NULL, NULL, "1 to 1024"},
        {{.profile = "none"}, NULL, NULL, "profile none"},
        {{0}, "AWS_PROFILE", "none", "profile none"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_err err;
        struct s3e_account *a = NULL;
        struct fake_env env[] = {
            HOME, {cases[i].name, cases[i].value}, {NULL, NULL}};
        in_case(cases[i].says);
        CHECK(s3e_account_new(&a, &cases[i].set, &imds.transport, fake_getenv,
                  env, &err) == S3E_E_INPUT);
        if (!strstr(err.msg, cases[i].says)) {
            CHECK_STR(err.msg, cases[i].says);
        }
        CHECK(!a && !strstr(err.msg, "secret"));
    }
    in_case(NULL);
}

static void a_malformed_file_is_named_with_its_line(void)
{
    struct fake_imds imds = fake_imds_of(NULL, 0);
    struct fake_env env[] = {HOME, {NULL, NULL}};
    struct s3e_err err;
    struct s3e_account *a = NULL;
    write_config("[default]\nregion = eu-west-3\nsecret\n");
    CHECK(s3e_account_new(&a, &(struct s3e_overrides){0}, &imds.transport,
              fake_getenv, env, &err) == S3E_E_FORMAT);
    CHECK(strstr(err.msg, g_config) && strstr(err.msg, "line 3"));
    CHECK(!strstr(err.msg, "secret"));
    write_config("");
}

static void prepare(struct s3e_account *a)
{
    struct s3e_err err;
    CHECK_RC(s3e_account_prepare(a, NULL, NULL, &err), S3E_OK, &err);
}

static void check_key(struct s3e_account *a, const char *want)
{
    struct s3e_err err;
    struct s3e_credentials c;
    CHECK_RC(s3e_account_credentials(a, &c, &err), S3E_OK, &err);
    CHECK_STR(c.access_key_id, want);
    s3e_credentials_deinit(&c);
}

/* The tutorial: an EC2 instance with a role, no region anywhere. */
static void a_role_brings_keys_and_region(void)
{
    static const struct fake_step steps[] = {
        TOKEN_STEP, ROLE_STEP, KEYS_STEP, REGION_STEP};
    struct fake_imds imds = fake_imds_of(steps, 4);
    struct fake_env env[] = {HOME, {NULL, NULL}};
    struct s3e_err err;
    struct s3e_credentials c;
    imds.strict = true;
    struct s3e_account *a =
        open_account(&(struct s3e_overrides){0}, env, &imds);
    CHECK(imds.next == 0); /* nothing is sent before prepare */
    CHECK(s3e_account_credentials(a, &c, &err) == S3E_E_AUTH);
    prepare(a);
    prepare(a); /* fresh: nothing more is asked */
    CHECK(imds.next == 4);
    check_region(a, "sparkyfruit", "eu-west-3");
    CHECK_RC(s3e_account_credentials(a, &c, &err), S3E_OK, &err);
    CHECK_STR(c.access_key_id, "ASIAROLE");
    CHECK_STR(c.secret_access_key, "role/secret");
    CHECK_STR(c.session_token, "role/token==");
    CHECK_STR(c.source, "IMDS role s3_access");
    CHECK(c.expires == 4070908800 && !c.anonymous);
    s3e_credentials_deinit(&c);
    s3e_account_unref(a);
}

/* Who has a region, or keys of another source, is not kept waiting for one. */
static void the_region_is_asked_for_in_need_only(void)
{
    static const struct fake_step steps[] = {TOKEN_STEP, ROLE_STEP, KEYS_STEP};
    struct fake_imds imds = fake_imds_of(steps, 3);
    struct fake_env env[] = {HOME, {"AWS_REGION", "eu-west-1"}, {NULL, NULL}};
    imds.strict = true;
    struct s3e_account *a =
        open_account(&(struct s3e_overrides){0}, env, &imds);
    prepare(a);
    check_region(a, "bucket", "eu-west-1");
    s3e_account_unref(a);

    struct fake_env keys[] = {HOME, KEYS_OF_ENV, {NULL, NULL}};
    imds = fake_imds_of(NULL, 0);
    imds.strict = true;
    a = open_account(&(struct s3e_overrides){0}, keys, &imds);
    prepare(a);
    check_key(a, "AKENV");
    check_region(a, "bucket", "us-east-1");
    s3e_account_unref(a);

    struct fake_env none[] = {HOME, {NULL, NULL}};
    const struct s3e_overrides anonymous = {.no_sign_request = "1"};
    a = open_account(&anonymous, none, &imds);
    prepare(a);
    check_region(a, "", "us-east-1");
    s3e_account_unref(a);
}

static void keys_of_sql_come_first(void)
{
    struct fake_imds imds = fake_imds_of(NULL, 0);
    struct fake_env env[] = {HOME, KEYS_OF_ENV, {NULL, NULL}};
    const struct s3e_overrides set = {
        .access_key_id = "AKSQL", .secret_access_key = "sql/secret"};
    struct s3e_account *a = open_account(&set, env, &imds);
    prepare(a);
    check_key(a, "AKSQL");
    s3e_account_unref(a);
}

static void regions_of_buckets_are_learned(void)
{
    struct fake_imds imds = fake_imds_of(NULL, 0);
    struct fake_env env[] = {HOME, KEYS_OF_ENV, {NULL, NULL}};
    const struct s3e_overrides set = {.region = "eu-west-1"};
    struct s3e_account *a = open_account(&set, env, &imds);
    check_region(a, "bucket-1", "eu-west-1");
    s3e_account_learn_region(a, "bucket-1", "eu-west-3");
    check_region(a, "bucket-1", "eu-west-3");
    check_region(a, "bucket-2", "eu-west-1");
    s3e_account_learn_region(a, "bucket-1", "us-west-2");
    s3e_account_learn_region(a, "bucket-1", "evil.com/");
    s3e_account_learn_region(a, "", "us-west-1");
    check_region(a, "bucket-1", "us-west-2");
    check_region(a, "", "eu-west-1");
    char small[4];
    s3e_account_region(a, "bucket-1", small, sizeof small);
    CHECK_STR(small, "us-");

    /* So many that the oldest give way. */
    for (int i = 0; i < 200; i++) {
        char bucket[20];
        (void)snprintf(bucket, sizeof bucket, "many-%d", i);
        s3e_account_learn_region(a, bucket, "ap-south-1");
        check_region(a, bucket, "ap-south-1");
    }
    check_region(a, "bucket-1", "eu-west-1");
    s3e_account_unref(a);
}

/* Keys that expire in `seconds`, as an IMDS answer. */
static void keys_for(char *out, size_t room, const char *id, int64_t seconds)
{
    char time[S3E_TIME_LEN + 1];
    s3e_time_format(time, s3e_clock_unix() + seconds, 0);
    (void)snprintf(out, room,
        "{\"Code\":\"Success\",\"AccessKeyId\":\"%s\",\"SecretAccessKey\":"
        "\"s\",\"Token\":\"t\",\"Expiration\":\"%s\"}",
        id, time);
}

static void expired_keys_are_renewed(void)
{
    char first[300], second[300];
    keys_for(first, sizeof first, "ASIAFIRST", 6 * 3600);
    keys_for(second, sizeof second, "ASIASECOND", 6 * 3600);
    const struct fake_step steps[] = {TOKEN_STEP, ROLE_STEP,
        {"GET", KEYS_PATH, 200, first}, TOKEN_STEP, ROLE_STEP,
        {"GET", KEYS_PATH, 200, second}};
    struct fake_imds imds = fake_imds_of(steps, 6);
    struct fake_env env[] = {HOME, {"AWS_REGION", "eu-west-1"}, {NULL, NULL}};
    struct s3e_account *a =
        open_account(&(struct s3e_overrides){0}, env, &imds);
    prepare(a);
    check_key(a, "ASIAFIRST");
    s3e_account_expire(a, "ASIAOTHER"); /* not ours: nothing happens */
    prepare(a);
    CHECK(imds.next == 3);
    s3e_account_expire(a, "ASIAFIRST");
    check_key(a, "ASIAFIRST"); /* until they are prepared anew */
    prepare(a);
    check_key(a, "ASIASECOND");

    /* The store refuses these too, and nobody gives others. */
    struct s3e_err err;
    s3e_account_expire(a, "ASIASECOND");
    CHECK(s3e_account_prepare(a, NULL, NULL, &err) == S3E_E_AUTH);
    s3e_account_unref(a);
}

/* Keys whose last quarter has begun, or last minute, are looked for again, but
 * not at each call. */
static void renewal_does_not_hammer(void)
{
    char keys[300];
    keys_for(keys, sizeof keys, "ASIASHORT", 30);
    const struct fake_step steps[] = {
        TOKEN_STEP, ROLE_STEP, {"GET", KEYS_PATH, 200, keys}};
    struct fake_imds imds = fake_imds_of(steps, 3);
    struct fake_env env[] = {HOME, {"AWS_REGION", "eu-west-1"}, {NULL, NULL}};
    imds.strict = true;
    struct s3e_account *a =
        open_account(&(struct s3e_overrides){0}, env, &imds);
    prepare(a);
    prepare(a);
    check_key(a, "ASIASHORT");
    s3e_account_unref(a);
}

static s3e_rc whole_life(void *ctx)
{
    static const struct fake_step steps[] = {
        TOKEN_STEP, ROLE_STEP, KEYS_STEP, REGION_STEP};
    struct fake_imds imds = fake_imds_of(steps, 4);
    struct fake_env env[] = {HOME, {NULL, NULL}};
    struct s3e_err err;
    struct s3e_account *a = NULL;
    struct s3e_credentials c = {0};
    const struct s3e_overrides set = {.endpoint_url = "http://host",
        .request_payer = "requester",
        .session_token = "t"};
    (void)ctx;
    s3e_rc rc =
        s3e_account_new(&a, &set, &imds.transport, fake_getenv, env, &err);
    if (rc == S3E_OK) {
        rc = s3e_account_prepare(a, NULL, NULL, &err);
    }
    if (rc == S3E_OK) {
        rc = s3e_account_credentials(a, &c, &err);
    }
    s3e_credentials_deinit(&c);
    s3e_account_unref(a);
    return rc;
}

static void hammer(void *arg)
{
    struct s3e_account *a = arg;
    for (int i = 0; i < 200; i++) {
        char bucket[20], region[64];
        (void)snprintf(bucket, sizeof bucket, "many-%d", i % 70);
        prepare(a);
        check_key(a, "AKENV");
        s3e_account_expire(a, "AKENV");
        s3e_account_learn_region(a, bucket, "ap-south-1");
        s3e_account_region(a, bucket, region, sizeof region);
    }
    s3e_account_unref(a);
}

static void threads_share_an_account(void)
{
    struct fake_imds imds = fake_imds_of(NULL, 0);
    struct fake_env env[] = {HOME, KEYS_OF_ENV, {NULL, NULL}};
    struct s3e_err err;
    struct s3e_thread threads[3];
    struct s3e_account *a =
        open_account(&(struct s3e_overrides){0}, env, &imds);
    for (int i = 0; i < 3; i++) {
        CHECK_RC(s3e_thread_start(
                     &threads[i], "hammer", hammer, s3e_account_ref(a), &err),
            S3E_OK, &err);
    }
    for (int i = 0; i < 3; i++) {
        s3e_thread_join(&threads[i]);
    }
    s3e_account_unref(a);
}

int main(void)
{
    count_allocations();
    const int fd = mkstemp(g_config);
    CHECK(fd >= 0 && close(fd) == 0);
    the_first_that_says_something_wins();
    the_rest_of_the_settings_arrive();
    configured_endpoints_can_be_switched_off();
    wrong_settings_name_their_source();
    a_malformed_file_is_named_with_its_line();
    a_role_brings_keys_and_region();
    the_region_is_asked_for_in_need_only();
    keys_of_sql_come_first();
    regions_of_buckets_are_learned();
    expired_keys_are_renewed();
    renewal_does_not_hammer();
    threads_share_an_account();
    sweep_allocations(whole_life, NULL);
    CHECK(unlink(g_config) == 0);
    CHECK(live_allocations() == 0);
    return 0;
}
