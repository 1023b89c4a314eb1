#include "s3vfs/profile.h"
#include "tests/harness.h"
#include "tests/unit/fake_imds.h"

#include "base/mem.h"

#include <sys/stat.h>
#include <unistd.h>

static char g_home[] = "/tmp/s3e_profile_XXXXXX";
static char g_credentials[200], g_config[200];

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(text, file) >= 0);
    CHECK(fclose(file) == 0);
}

static void set_up(void)
{
    char folder[100];
    CHECK(mkdtemp(g_home) != NULL);
    (void)snprintf(folder, sizeof folder, "%s/.aws", g_home);
    CHECK(mkdir(folder, 0700) == 0);
    (void)snprintf(
        g_credentials, sizeof g_credentials, "%s/credentials", folder);
    (void)snprintf(g_config, sizeof g_config, "%s/config", folder);
    write_file(g_credentials, "[default]\naws_access_key_id = D\n"
                              "region = from-credentials\n[work]\nx = 1\n");
    write_file(g_config,
        "[default]\nregion = eu-west-3\noutput = json\n[work]\nregion = not\n"
        "[profile work]\nregion = us-west-2\nempty =\n"
        "[profile \"my own\"]\nregion = me-south-1\n"
        "s3 =\n  addressing_style = path\n");
}

static void tear_down(void)
{
    char folder[100];
    (void)unlink(g_credentials);
    (void)unlink(g_config);
    (void)snprintf(folder, sizeof folder, "%s/.aws", g_home);
    (void)rmdir(folder);
    CHECK(rmdir(g_home) == 0);
}

static void profiles_are_found(void)
{
    static const struct {
        const char *given, *aws_profile, *aws_default_profile;
        const char *name, *region, *output;
    } cases[] = {
        {NULL, NULL, NULL, "default", "from-credentials", "json"},
        {"", "", "", "default", "from-credentials", "json"},
        {"default", NULL, NULL, "default", "from-credentials", "json"},
        {NULL, "work", "other", "work", "us-west-2", NULL},
        {NULL, NULL, "work", "work", "us-west-2", NULL},
        {"my own", "work", NULL, "my own", "me-south-1", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_err err;
        struct s3e_profile p;
        struct fake_env table[] = {{"HOME", g_home},
            {"AWS_PROFILE", cases[i].aws_profile},
            {"AWS_DEFAULT_PROFILE", cases[i].aws_default_profile},
            {NULL, NULL}};
        const struct s3e_env env = {fake_getenv, table};
        CHECK_RC(
            s3e_profile_load(&p, cases[i].given, &env, &err), S3E_OK, &err);
        CHECK_STR(p.name, cases[i].name);
        CHECK_SPAN(s3e_profile_get(&p, "", "region"), cases[i].region);
        CHECK_SPAN(s3e_profile_get(&p, "", "output"),
            cases[i].output ? cases[i].output : "");
        CHECK(!s3e_profile_get(&p, "", "empty").ptr);
        if (i == 5) {
            CHECK_SPAN(s3e_profile_get(&p, "s3", "addressing_style"), "path");
            CHECK(!p.credentials.section && p.config.section);
        }
        s3e_profile_deinit(&p);
    }
}

static void files_may_lie_elsewhere(void)
{
    struct s3e_err err;
    struct s3e_profile p;
    struct fake_env table[] = {{"HOME", "/nowhere"},
        {"AWS_SHARED_CREDENTIALS_FILE", g_credentials},
        {"AWS_CONFIG_FILE", "~/config"}, {NULL, NULL}};
    const struct s3e_env env = {fake_getenv, table};
    CHECK_RC(s3e_profile_load(&p, NULL, &env, &err), S3E_OK, &err);
    CHECK_SPAN(s3e_profile_get(&p, "", "region"), "from-credentials");
    CHECK(p.config.rc == S3E_E_NOTFOUND);
    CHECK_STR(p.config.path, "/nowhere/config");
    s3e_profile_deinit(&p);

    /* Nothing anywhere, not even a home. */
    table[0].value = table[1].value = table[2].value = NULL;
    CHECK_RC(s3e_profile_load(&p, NULL, &env, &err), S3E_OK, &err);
    CHECK(!s3e_profile_get(&p, "", "region").ptr);
    s3e_profile_deinit(&p);
}

static void what_was_named_must_be_there(void)
{
    struct s3e_err err;
    struct s3e_profile p;
    struct fake_env table[] = {{"HOME", g_home}, {NULL, NULL}};
    const struct s3e_env env = {fake_getenv, table};
    CHECK(s3e_profile_load(&p, "none", &env, &err) == S3E_E_INPUT);
    CHECK(strstr(err.msg, "profile none: neither [none] in ") != NULL);
    CHECK(strstr(err.msg, g_config) != NULL);
    CHECK(!p.name);

    write_file(g_config, "[default]\nsecret stuff\n");
    CHECK(s3e_profile_load(&p, NULL, &env, &err) == S3E_E_FORMAT);
    CHECK(strstr(err.msg, "config: line 2") && !strstr(err.msg, "secret"));
}

static s3e_rc load(void *ctx)
{
    struct s3e_err err;
    struct s3e_profile p;
    struct fake_env table[] = {{"HOME", g_home}, {NULL, NULL}};
    const struct s3e_env env = {fake_getenv, table};
    const s3e_rc rc = s3e_profile_load(&p, ctx, &env, &err);
    s3e_profile_deinit(&p);
    return rc;
}

int main(void)
{
    char name[] = "my own";
    count_allocations();
    set_up();
    profiles_are_found();
    files_may_lie_elsewhere();
    sweep_allocations(load, name);
    what_was_named_must_be_there();
    tear_down();
    CHECK(live_allocations() == 0);
    return 0;
}
