#include "s3vfs/ini.h"
#include "tests/harness.h"

#include "base/mem.h"

static const char config[] = "\xef\xbb\xbf# of ours\r\n"
                             "[default]\r\n"
                             "region = eu-west-3\r\n"
                             "Output=json\n"
                             "empty =\n"
                             "\n"
                             "s3 =\n"
                             "    max_concurrent_requests = 20\n"
                             "    ; a comment\n"
                             "\n"
                             "    addressing_style=path\n"
                             "  signature_version = s3v4\n"
                             "after = group\n"
                             "[profile \"my work\"] # said after the bracket\n"
                             "\taws_access_key_id: AK:ID=1\n"
                             "\taws_secret_access_key = a=b/c+d # e\n"
                             "[two]\n"
                             "long = first\n"
                             "  second\n"
                             "key = 1\n"
                             "key = 2\n"
                             "[ spaced ]\n"
                             "[empty]";

static void check_value(const struct s3e_ini *ini, const char *section,
    const char *group, const char *key, const char *want)
{
    const struct s3e_span value =
        s3e_ini_get(ini, s3e_span_str(section), group, key);
    in_case(key);
    CHECK((value.ptr != NULL) == (want != NULL));
    CHECK_SPAN(value, want ? want : "");
    in_case(NULL);
}

static void files_are_read_as_botocore_does(void)
{
    struct s3e_err err;
    struct s3e_ini ini;
    CHECK_RC(
        s3e_ini_parse(&ini, "f", s3e_span_str(config), &err), S3E_OK, &err);
    check_value(&ini, "default", "", "region", "eu-west-3");
    check_value(&ini, "default", "", "output", "json");
    check_value(&ini, "default", "", "empty", "");
    check_value(&ini, "default", "", "none", NULL);
    check_value(&ini, "default", "s3", "addressing_style", "path");
    check_value(&ini, "default", "S3", "max_concurrent_requests", "20");
    check_value(&ini, "default", "s3", "signature_version", "s3v4");
    check_value(&ini, "default", "", "addressing_style", NULL);
    check_value(&ini, "default", "", "after", "group");
    check_value(
        &ini, "profile \"my work\"", "", "aws_access_key_id", "AK:ID=1");
    check_value(&ini, "profile \"my work\"", "", "aws_secret_access_key",
        "a=b/c+d # e");
    check_value(&ini, "two", "", "long", "first\n  second");
    check_value(&ini, "two", "", "key", "2");
    check_value(&ini, "three", "", "key", NULL);
    CHECK(s3e_ini_has_section(&ini, S3E_LIT("spaced")));
    CHECK(s3e_ini_has_section(&ini, S3E_LIT("empty")));
    CHECK(!s3e_ini_has_section(&ini, S3E_LIT("s3")));
    s3e_ini_deinit(&ini);
}

/* An error tells where, never what: the line may hold a secret. */
static void errors_name_the_line_only(void)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"[a]\nsecret\n", "f: line 2: neither"},
        {"secret = x\n", "f: line 1: a key before"},
        {"[a]\n\n= secret\n", "f: line 3: neither"},
        {"[secret", "f: line 1: a [ without"},
        {"[]", "f: line 1: a [ without"},
        {"[a]\ns3 =\n  secret\n", "f: line 3: not a key = value of its group"},
        {"[a]\ns3 =\n  =secret\n", "f: line 3: not a key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_err err;
        struct s3e_ini ini;
        in_case(cases[i].text);
        CHECK(s3e_ini_parse(&ini, "f", s3e_span_str(cases[i].text), &err) ==
              S3E_E_FORMAT);
        CHECK(strstr(err.msg, cases[i].says) && !strstr(err.msg, "secret"));
        CHECK(!ini.text && !ini.rows.ptr);
    }
    in_case(NULL);
    struct s3e_err err;
    struct s3e_ini ini;
    CHECK(s3e_ini_parse(&ini, "f", S3E_LIT("[a]\nx=\0"), &err) == S3E_E_FORMAT);
}

static void too_much_is_refused(void)
{
    struct s3e_err err;
    struct s3e_ini ini;
    struct s3e_buf text = S3E_BUF(S3E_INI_MAX + 1);
    s3e_buf_add_str(&text, "[a]\n");
    for (int i = 0; i < 10000; i++) {
        s3e_buf_add_str(&text, "k=v\n");
    }
    CHECK(s3e_ini_parse(&ini, "f", s3e_buf_span(&text), &err) == S3E_E_LIMIT);
    while (text.rc == S3E_OK) {
        s3e_buf_add_byte(&text, '\n');
    }
    CHECK(s3e_ini_parse(&ini, "f", s3e_buf_span(&text), &err) == S3E_E_LIMIT);
    s3e_buf_free(&text);
}

static s3e_rc parse(void *ctx)
{
    struct s3e_err err;
    struct s3e_ini ini;
    (void)ctx;
    const s3e_rc rc = s3e_ini_parse(&ini, "f", s3e_span_str(config), &err);
    s3e_ini_deinit(&ini);
    return rc;
}

int main(void)
{
    count_allocations();
    files_are_read_as_botocore_does();
    errors_name_the_line_only();
    too_much_is_refused();
    sweep_allocations(parse, NULL);
    CHECK(live_allocations() == 0);
    return 0;
}
