/* tests/unit/test_settings.c - s3_config()'s table and the JSON of options. */
#include "base/mem.h"
#include "ext/options.h"
#include "ext/settings.h"
#include "tests/harness.h"

static void finds_names(void)
{
    static const struct {
        const char *name, *says;
    } cases[] = {
        {"regoin", "there is no setting 'regoin'; there is region"},
        {"prefet", "there is no setting 'prefet'; there is prefetch, "
                   "prefetch_bytes"},
        {"aws_secret", "there is no setting 'aws_secret'; there is "
                       "aws_secret_access_key"},
    };
    struct s3e_err err;
    enum s3e_setting which;
    CHECK(s3e_settings_find(&which, S3E_LIT("on_error"), &err) == S3E_OK);
    CHECK(which == S3E_SET_ON_ERROR);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        in_case(cases[i].name);
        CHECK_RC(s3e_settings_find(&which, s3e_span_str(cases[i].name), &err),
            S3E_E_INPUT, &err);
        CHECK_STR(err.msg, cases[i].says);
    }
    uint8_t longest[300];
    memset(longest, 'a', sizeof longest);
    const struct s3e_span odd[] = {
        {0}, S3E_LIT("z"), {longest, sizeof longest}, S3E_LIT("\xff\x01")};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        CHECK(s3e_settings_find(&which, odd[i], &err) == S3E_E_INPUT);
    }
    in_case(NULL);
}

static void checks_values(void)
{
    static const struct {
        enum s3e_setting which;
        const char *value;
        s3e_rc rc;
    } cases[] = {
        {S3E_SET_PREFETCH, "0", S3E_OK},
        {S3E_SET_PREFETCH, "2", S3E_E_RANGE},
        {S3E_SET_PREFETCH, "", S3E_E_RANGE},
        {S3E_SET_PREFETCH, "0x1", S3E_E_RANGE},
        {S3E_SET_PREFETCH, "1.0", S3E_E_RANGE},
        {S3E_SET_READ_TIMEOUT, "1.5", S3E_OK},
        {S3E_SET_READ_TIMEOUT, "1.5.1", S3E_E_RANGE},
        {S3E_SET_READ_TIMEOUT, "nan", S3E_E_RANGE},
        {S3E_SET_READ_TIMEOUT, "0", S3E_E_RANGE},
        {S3E_SET_PREFETCH_BYTES, "1099511627776", S3E_OK},
        {S3E_SET_PREFETCH_BYTES, "1048575", S3E_E_RANGE},
        {S3E_SET_ON_ERROR, "null", S3E_OK},
        {S3E_SET_ON_ERROR, "nul", S3E_E_INPUT},
        {S3E_SET_ON_ERROR, "raise|null", S3E_E_INPUT},
        {S3E_SET_REGION, "eu-west-3", S3E_OK},
        {S3E_SET_REGION, "eu\r\nx", S3E_E_INPUT},
    };
    struct s3e_settings settings = {0};
    struct s3e_err err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        in_case(cases[i].value);
        CHECK_RC(s3e_settings_set(&settings, cases[i].which,
                     s3e_span_str(cases[i].value), &err),
            cases[i].rc, &err);
    }
    in_case(NULL);
    CHECK_STR(s3e_settings_get(&settings, S3E_SET_REGION), "eu-west-3");
    CHECK(s3e_settings_number(&settings, S3E_SET_PREFETCH) == 0);
    CHECK(s3e_settings_number(&settings, S3E_SET_PREFETCH_BYTES) ==
          1099511627776u);
    CHECK_RC(s3e_settings_set(
                 &settings, S3E_SET_SECRET_ACCESS_KEY, S3E_LIT("hush"), &err),
        S3E_OK, &err);
    CHECK_STR(
        s3e_settings_shown(&settings, S3E_SET_SECRET_ACCESS_KEY), "<redacted>");
    CHECK_STR(s3e_settings_overrides(&settings).secret_access_key, "hush");
    CHECK(s3e_settings_is_account(S3E_SET_SECRET_ACCESS_KEY));
    CHECK(!s3e_settings_is_account(S3E_SET_PREFETCH));
    CHECK_RC(
        s3e_settings_set(&settings, S3E_SET_REGION, (struct s3e_span){0}, &err),
        S3E_OK, &err);
    CHECK(!s3e_settings_get(&settings, S3E_SET_REGION));
    s3e_settings_deinit(&settings);
    CHECK_STR(s3e_settings_get(&settings, S3E_SET_PREFETCH), "1");
}

struct read {
    bool flag;
    int64_t number;
    char *text, *json;
};

static s3e_rc read_options(
    struct read *out, struct s3e_span json, struct s3e_err *err)
{
    const struct s3e_option options[] = {
        {"flag", S3E_OPTION_BOOL, &out->flag},
        {"number", S3E_OPTION_INT, &out->number},
        {"text", S3E_OPTION_TEXT, &out->text},
        {"json", S3E_OPTION_JSON, &out->json},
    };
    return s3e_options_read(options, 4, json, err);
}

static void free_read(struct read *out)
{
    s3e_free(out->text);
    s3e_free(out->json);
    *out = (struct read){0};
}

static void reads_options(void)
{
    static const struct {
        const char *json, *says; /* says NULL: read well */
    } cases[] = {
        {"{}", NULL},
        {"{\"flag\": true, \"number\": -5, \"text\": \"x\"}", NULL},
        {"{\"flag\": null, \"json\": [1, {\"a\": 2}]}", NULL},
        {"{\"flag\": 2}", "option 'flag' takes 0 or 1"},
        {"{\"number\": 1.5}", "option 'number' takes a whole number"},
        {"{\"text\": 1}", "option 'text' takes a string"},
        {"{\"text\": \"a\\u0000b\"}", "options are one JSON object"},
        {"{\"txt\": 1}",
            "there is no option 'txt'; there is: flag, number, text, json"},
        {"{\"flag\": 1, \"flag\": 0}", "options are one JSON object"},
        {"[]", "options are one JSON object"},
        {"{", "options are one JSON object"},
        {"", "options are one JSON object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct read out = {0};
        struct s3e_err err = {0};
        in_case(cases[i].json);
        const s3e_rc rc = read_options(&out, s3e_span_str(cases[i].json), &err);
        CHECK_RC(rc, cases[i].says ? S3E_E_INPUT : S3E_OK, &err);
        CHECK(!cases[i].says ||
              strncmp(err.msg, cases[i].says, strlen(cases[i].says)) == 0);
        free_read(&out);
    }
    in_case(NULL);
}

static s3e_rc sweep(void *ctx)
{
    struct s3e_settings settings = {0};
    struct read out = {0};
    struct s3e_err err;
    (void)ctx;
    s3e_rc rc =
        s3e_settings_set(&settings, S3E_SET_PROFILE, S3E_LIT("profile"), &err);
    if (rc == S3E_OK) {
        rc = s3e_settings_set(
            &settings, S3E_SET_PROFILE, S3E_LIT("other"), &err);
    }
    if (rc == S3E_OK) {
        rc = read_options(
            &out, S3E_LIT("{\"text\":\"x\",\"json\":{\"a\":[1]}}"), &err);
    }
    if (rc == S3E_OK) {
        CHECK_STR(out.json, "{\"a\":[1]}");
    }
    free_read(&out);
    s3e_settings_deinit(&settings);
    return rc;
}

int main(void)
{
    count_allocations();
    finds_names();
    checks_values();
    reads_options();
    sweep_allocations(sweep, NULL);
    CHECK(live_allocations() == 0);
    return 0;
}
