#include "s3vfs/uri.h"
#include "tests/harness.h"

#include "base/mem.h"

#include <unistd.h>

static char g_cwd[4096];

static struct s3e_span span_of(const char *text)
{
    return s3e_span_str(text);
}

static void targets_are_read(void)
{
    static const struct {
        const char *text;
        enum s3e_scheme scheme;
        const char *bucket, *prefix, *glob;
    } cases[] = {
        {"sparkyfruit", S3E_SCHEME_S3, "sparkyfruit", "", NULL},
        {"s3://b.1", S3E_SCHEME_S3, "b.1", "", NULL},
        {"s3://b-1/", S3E_SCHEME_S3, "b-1", "", NULL},
        {"s3://abc/some/prefix", S3E_SCHEME_S3, "abc", "some/prefix", NULL},
        {"s3a://abc/apple", S3E_SCHEME_S3, "abc", "apple", NULL},
        {"s3n://abc/apple/", S3E_SCHEME_S3, "abc", "apple/", NULL},
        {"s3://abc/a%20b+c", S3E_SCHEME_S3, "abc", "a%20b+c", NULL},
        {"s3://abc//x", S3E_SCHEME_S3, "abc", "/x", NULL},
        {"s3a://abc/*/*.jpg", S3E_SCHEME_S3, "abc", "", "*/*.jpg"},
        {"s3://abc/a/b?.{jpg,jpeg}", S3E_SCHEME_S3, "abc", "a/b",
            "a/b?.{jpg,jpeg}"},
        {"s3://abc/x}]y", S3E_SCHEME_S3, "abc", "x}]y", NULL},
        {"file:///data/set", S3E_SCHEME_FILE, "/data/set", "", NULL},
        {"file:/data//./set/", S3E_SCHEME_FILE, "/data/set", "", NULL},
        {"file://localhost/data", S3E_SCHEME_FILE, "/data", "", NULL},
        {"file:/data/../x", S3E_SCHEME_FILE, "/data/../x", "", NULL},
        {"file:/", S3E_SCHEME_FILE, "/", "", NULL},
        {"file:/*.jpg", S3E_SCHEME_FILE, "/", "", "*.jpg"},
        {"file:///data/*/*.jpg", S3E_SCHEME_FILE, "/data", "", "*/*.jpg"},
        {"file:/data/ap*", S3E_SCHEME_FILE, "/data", "ap", "ap*"},
    };
    struct s3e_err err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_target t;
        in_case(cases[i].text);
        CHECK_RC(
            s3e_target_parse(&t, span_of(cases[i].text), &err), S3E_OK, &err);
        CHECK(t.scheme == cases[i].scheme);
        CHECK_STR(t.bucket, cases[i].bucket);
        CHECK_STR(t.prefix, cases[i].prefix);
        CHECK((t.glob != NULL) == (cases[i].glob != NULL));
        if (t.glob) {
            CHECK_STR(t.glob, cases[i].glob);
        }
        s3e_target_deinit(&t);
    }
    in_case(NULL);
}

/* Relative folders begin where the process stands. */
static void folders_become_absolute(void)
{
    static const struct {
        const char *text, *below, *glob;
    } cases[] = {
        {"file:photos", "/photos", NULL},
        {"file:photos/", "/photos", NULL},
        {"file:./photos/./", "/photos", NULL},
        {"file:.", "", NULL},
        {"file:photos/*.jpg", "/photos", "*.jpg"},
        {"file:**", "", "**"},
    };
    struct s3e_err err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_target t;
        char want[5000];
        in_case(cases[i].text);
        (void)snprintf(want, sizeof want, "%s%s", g_cwd, cases[i].below);
        CHECK_RC(
            s3e_target_parse(&t, span_of(cases[i].text), &err), S3E_OK, &err);
        CHECK_STR(t.bucket, want);
        CHECK((t.glob != NULL) == (cases[i].glob != NULL));
        s3e_target_deinit(&t);
    }
    in_case(NULL);
}

static void wrong_targets_are_refused(void)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "an empty target"},
        {"ab", "3 to 63 characters"},
        {"sparkyfruit/apple", "write a prefix as s3://bucket/prefix"},
        {"Sparkyfruit", "only a-z 0-9 . and -"},
        {"s3://my_bucket/x", "only a-z 0-9 . and -"},
        {"s3://*/x", "only a-z 0-9 . and -"},
        {"s3://", "3 to 63 characters"},
        {"s3:///key", "3 to 63 characters"},
        {"s3://-ab/", "begins or ends"},
        {"s3://ab./", "begins or ends"},
        {"s3://a..b/", "two dots"},
        {"s3://192.168.5.4/x", "IP address"},
        {"s3://x--usw2-az1--x-s3", "directory buckets"},
        {"https://b.s3.amazonaws.com/k", "not a scheme we read"},
        {"S3://bucket", "not a scheme we read"},
        {"arn:aws:s3:::bucket", "only a-z 0-9"},
        {"s3://abc/[x", "never closed"},
        {"s3://abc/[]", "never closed"},
        {"s3://abc/{x,{y}", "never closed"},
        {"file:", "without a folder"},
        {"file://", "without a folder"},
        {"file://host/x", "a host has no place"},
        {"file:/x/{a", "never closed"},
    };
    struct s3e_err err;
    struct s3e_target t;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        in_case(cases[i].text);
        CHECK(
            s3e_target_parse(&t, span_of(cases[i].text), &err) == S3E_E_INPUT);
        if (!strstr(err.msg, cases[i].says)) {
            CHECK_STR(err.msg, cases[i].says);
        }
        CHECK(!t.bucket && !t.prefix && !t.glob);
    }
    in_case(NULL);
    CHECK(s3e_target_parse(&t, S3E_LIT("s3://abc/a\0b"), &err) == S3E_E_INPUT);
    CHECK(strstr(err.msg, "a NUL byte") != NULL);

    static uint8_t much[S3E_TARGET_MAX + 1];
    memset(much, 'a', sizeof much);
    CHECK(s3e_target_parse(&t, (struct s3e_span){much, sizeof much}, &err) ==
          S3E_E_INPUT);
    CHECK(strstr(err.msg, "4097 bytes") != NULL);
}

static void buckets_have_3_to_63_characters(void)
{
    struct s3e_err err;
    uint8_t name[64];
    memset(name, 'a', sizeof name);
    CHECK(s3e_bucket_check((struct s3e_span){name, 2}, &err) == S3E_E_INPUT);
    CHECK(s3e_bucket_check((struct s3e_span){name, 3}, &err) == S3E_OK);
    CHECK(s3e_bucket_check((struct s3e_span){name, 63}, &err) == S3E_OK);
    CHECK(s3e_bucket_check((struct s3e_span){name, 64}, &err) == S3E_E_INPUT);
    CHECK(s3e_bucket_check(S3E_LIT("1.2.3"), &err) == S3E_OK);
    CHECK(s3e_bucket_check(S3E_LIT("1.2.3.4.5"), &err) == S3E_OK);
}

static void uris_name_one_object(void)
{
    static const struct {
        const char *text, *bucket, *key;
    } cases[] = {
        {"s3://abc/k", "abc", "k"},
        {"s3a://abc/a/b[*]?{c", "abc", "a/b[*]?{c"},
        {"s3n://abc//", "abc", "/"},
        {"s3://abc/file:///etc/passwd", "abc", "file:///etc/passwd"},
        {"file:///data/a/b.jpg", "/data/a", "b.jpg"},
        {"file:/b*.jpg", "/", "b*.jpg"},
    };
    struct s3e_err err;
    struct s3e_target t;
    struct s3e_span key;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        in_case(cases[i].text);
        CHECK(s3e_uri_is(span_of(cases[i].text)));
        CHECK_RC(s3e_uri_parse(&t, &key, span_of(cases[i].text), &err), S3E_OK,
            &err);
        CHECK_STR(t.bucket, cases[i].bucket);
        CHECK_SPAN(key, cases[i].key);
        CHECK(!t.glob);
        s3e_target_deinit(&t);
    }
    static const char *const wrong[] = {"s3://abc", "s3://abc/", "abc", "s3://",
        "file:", "file:/data/", "http://x/y", "", "s3://ab_c/k", "file://h/x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        in_case(wrong[i]);
        CHECK(s3e_uri_parse(&t, &key, span_of(wrong[i]), &err) == S3E_E_INPUT);
        CHECK(!t.bucket && !t.prefix);
    }
    in_case(NULL);
    CHECK(!s3e_uri_is(S3E_LIT("s3:/")) && !s3e_uri_is(S3E_LIT("S3://b/k")));
    CHECK(!s3e_uri_is(S3E_LIT("sparkyfruit")) && !s3e_uri_is(S3E_LIT("")));
}

static void globs_match_as_people_expect(void)
{
    static const struct {
        const char *glob, *text;
        bool want;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"abc", "abc", true},
        {"abc", "ab", false},
        {"abc", "abcd", false},
        /* * and ? stop at '/' */
        {"*", "abc", true},
        {"*", "", true},
        {"*", "a/b", false},
        {"*/*.jpg", "apple/1.jpg", true},
        {"*/*.jpg", "apple/x/1.jpg", false},
        {"*/*.jpg", "1.jpg", false},
        {"a?c", "abc", true},
        {"a?c", "a/c", false},
        {"a?c", "ac", false},
        {"?", "\xc3\xa9", true}, /* one character of two bytes */
        {"??", "\xc3\xa9", false},
        {"?", "\xc3", true}, /* not UTF-8: a byte is a character */
        {"??", "\xa9\xc3", true},
        {"*\xa9", "\xc3\xa9", false}, /* never half a character */
        {"\xc3\xa9*", "\xc3\xa9x", true},
        /* ** crosses it */
        {"**", "a/b/c", true},
        {"**.jpg", "a/b/c.jpg", true},
        {"**/c", "a/b/c", true},
        {"**/c", "c", true}, /* **+/ also stands for nothing */
        {"**/c", "xc", false},
        {"a/**/c", "a/c", true},
        {"a/**/c", "a/b/d/c", true},
        {"a/**/c", "ac", false},
        {"a**/c", "ac", false},
        {"a**/c", "ab/c", true},
        {"a/**", "a/", true},
        {"a/**", "a", false},
        {"***", "a/b", true},
        /* classes */
        {"[a-c]x", "bx", true},
        {"[a-c]x", "dx", false},
        {"[!a-c]", "d", true},
        {"[^a-c]", "a", false},
        {"[!a]", "/", false},
        {"[.-0]", "/", false},
        {"[*]", "*", true},
        {"[*]", "x", false},
        {"[]]", "]", true},
        {"[]a]", "a", true},
        {"[!]]", "]", false},
        {"[a-]", "-", true},
        {"[\xc3\xa0-\xc3\xaf]", "\xc3\xa9", true},
        {"[\xc3\xa0-\xc3\xaf]", "\xc3\xb9", false},
        {"[a,b]{x[,}]}", "ax,", true},
        {"[a,b]{x[,}]}", ",x}", true},
        /* alternatives */
        {"*.{jpg,jpeg}", "a.jpeg", true},
        {"*.{jpg,jpeg}", "a.jpg", true},
        {"*.{jpg,jpeg}", "a.png", false},
        {"{a,b{c,d}e,}f", "f", true},
        {"{a,b{c,d}e,}f", "bdef", true},
        {"{a,b{c,d}e,}f", "bef", false},
        {"{a,b{c,d}e,}f", "af", true},
        {"{,a}", "a", true},
        {"{}x{}", "x", true},
        {"{*/,}x", "q/x", true},
        {"{*/,}x", "x", true},
        {"{a*,b}{c,d}", "axyzd", true},
        {"{one}", "one", true},
        /* outside of a group they are themselves */
        {"a,b}c]", "a,b}c]", true},
        /* malformed: nothing */
        {"[a", "[a", false},
        {"{a", "{a", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        in_case(cases[i].glob);
        if (s3e_glob_match(span_of(cases[i].glob), span_of(cases[i].text)) !=
            cases[i].want) {
            CHECK_STR(cases[i].text, cases[i].want ? "matches" : "not");
        }
    }
    in_case(NULL);
}

/* The glob on which matchers that try and go back take 2^n steps. */
static void globs_never_blow_up(void)
{
    static uint8_t text[1024], glob[S3E_TARGET_MAX + 1];
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof glob; i++) {
        glob[i] = i % 2 ? 'a' : '*';
    }
    const struct s3e_span a = {text, sizeof text};
    CHECK(s3e_glob_match((struct s3e_span){glob, 2000}, a));
    CHECK(!s3e_glob_match((struct s3e_span){glob, 4096}, a));
    CHECK(!s3e_glob_match((struct s3e_span){glob, 4097}, a)); /* too long */
    memset(glob, '{', 2048);
    memset(glob + 2048, '}', 2048);
    CHECK(s3e_glob_match((struct s3e_span){glob, 4096}, S3E_LIT("")));
}

static void keys_are_encoded_byte_by_byte(void)
{
    struct s3e_err err;
    struct s3e_buf buf = S3E_BUF(1000);
    s3e_uri_encode(&buf, S3E_LIT("aZ09-._~/ +%?#&=\xc3\xa9\n"), true);
    s3e_uri_encode(&buf, S3E_LIT("/x"), false);
    CHECK_RC(s3e_buf_check(&buf, "url", &err), S3E_OK, &err);
    CHECK_SPAN(
        s3e_buf_span(&buf), "aZ09-._~/%20%2B%25%3F%23%26%3D%C3%A9%0A%2Fx");
    s3e_buf_free(&buf);
}

static void keys_split_into_folder_and_name(void)
{
    static const struct {
        const char *key, *folder, *name;
    } cases[] = {
        {"a/b/c.jpg", "b", "c.jpg"},
        {"b/c.jpg", "b", "c.jpg"},
        {"c.jpg", NULL, "c.jpg"},
        {"a/b/", "a", "b"},
        {"b/", NULL, "b"},
        {"/c", "", "c"},
        {"a//c", "", "c"},
        {"/", NULL, ""},
        {"", NULL, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_span folder, name;
        in_case(cases[i].key);
        s3e_key_split(span_of(cases[i].key), &folder, &name);
        CHECK((folder.ptr != NULL) == (cases[i].folder != NULL));
        CHECK_SPAN(folder, cases[i].folder ? cases[i].folder : "");
        CHECK_SPAN(name, cases[i].name);
    }
    in_case(NULL);
}

static s3e_rc parse_one(void *ctx)
{
    struct s3e_err err;
    struct s3e_target t;
    const s3e_rc rc = s3e_target_parse(&t, span_of(ctx), &err);
    s3e_target_deinit(&t);
    return rc;
}

static s3e_rc parse_uri(void *ctx)
{
    struct s3e_err err;
    struct s3e_target t;
    struct s3e_span key;
    const s3e_rc rc = s3e_uri_parse(&t, &key, span_of(ctx), &err);
    s3e_target_deinit(&t);
    return rc;
}

int main(void)
{
    char glob[] = "s3://abc/a/*.jpg", folder[] = "file:photos/*.jpg";
    count_allocations();
    CHECK(getcwd(g_cwd, sizeof g_cwd) != NULL);
    targets_are_read();
    folders_become_absolute();
    wrong_targets_are_refused();
    buckets_have_3_to_63_characters();
    uris_name_one_object();
    globs_match_as_people_expect();
    globs_never_blow_up();
    keys_are_encoded_byte_by_byte();
    keys_split_into_folder_and_name();
    sweep_allocations(parse_one, glob);
    sweep_allocations(parse_one, folder);
    sweep_allocations(parse_uri, folder);
    CHECK(live_allocations() == 0);
    return 0;
}
