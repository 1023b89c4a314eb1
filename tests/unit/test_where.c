/* tests/unit/test_where.c - which rows a comparison drops, and how a scan
 * narrows its listing. What SQLite itself says of the same conditions:
 * tests/sql/test_objects.py. */
#include "base/mem.h"
#include "ext/scan.h"
#include "tests/harness.h"

static struct s3e_value text(const char *str)
{
    return (struct s3e_value){
        .type = S3E_VALUE_TEXT, .text = s3e_span_str(str)};
}

static struct s3e_value integer(int64_t n)
{
    return (struct s3e_value){.type = S3E_VALUE_INTEGER, .integer = n};
}

static struct s3e_value real(double x)
{
    return (struct s3e_value){.type = S3E_VALUE_REAL, .real = x};
}

static const struct s3e_value null = {0};

static struct s3e_object object(const char *key, int64_t size)
{
    return (struct s3e_object){.key = s3e_span_str(key),
        .etag = S3E_LIT("e"),
        .storage_class = S3E_LIT("STANDARD"),
        .size = size,
        .last_modified = 1600000000};
}

static bool keeps(enum s3e_column column, enum s3e_where_op op, bool exact,
    struct s3e_value value, const char *key)
{
    const struct s3e_object row = object(key, 100);
    struct s3e_operand operand = {.value = value};
    const struct s3e_where where = {column, op, exact, &operand, 1};
    return s3e_where_keeps(&where, &row);
}

static void compares(void)
{
    const struct {
        const char *name, *key;
        enum s3e_column column;
        enum s3e_where_op op;
        bool exact;
        struct s3e_value value;
        bool kept;
    } cases[] = {
        {"size =", "k", S3E_COL_SIZE, S3E_OP_EQ, true, integer(100), true},
        {"size = real", "k", S3E_COL_SIZE, S3E_OP_EQ, true, real(100), true},
        {"size <", "k", S3E_COL_SIZE, S3E_OP_LT, true, integer(100), false},
        {"size < real", "k", S3E_COL_SIZE, S3E_OP_LT, true, real(100.5), true},
        {"size < text", "k", S3E_COL_SIZE, S3E_OP_LT, true, text("x"), true},
        {"size > text", "k", S3E_COL_SIZE, S3E_OP_GT, true, text("x"), false},
        {"size = NULL", "k", S3E_COL_SIZE, S3E_OP_EQ, true, null, false},
        {"size IS NULL", "k", S3E_COL_SIZE, S3E_OP_IS, true, null, false},
        {"size IS NOT NULL", "k", S3E_COL_SIZE, S3E_OP_IS_NOT, true, null,
            true},
        {"folder =", "a/k", S3E_COL_FOLDER, S3E_OP_EQ, false, text("a"), true},
        {"folder <>", "a/k", S3E_COL_FOLDER, S3E_OP_NE, false, text("a"),
            false},
        {"no folder", "k", S3E_COL_FOLDER, S3E_OP_NE, false, text("a"), false},
        {"no folder IS", "k", S3E_COL_FOLDER, S3E_OP_IS, false, null, true},
        {"a number left to SQLite", "05/k", S3E_COL_FOLDER, S3E_OP_EQ, false,
            text("5"), true},
        {"a literal is a text", "05/k", S3E_COL_FOLDER, S3E_OP_EQ, true,
            text("5"), false},
        {"no number equals a word", "05/k", S3E_COL_FOLDER, S3E_OP_EQ, false,
            text("x"), false},
        {"order of a number left to SQLite", "05/k", S3E_COL_FOLDER, S3E_OP_GT,
            false, text("x"), true},
        {"an integer left to SQLite", "x/k", S3E_COL_FOLDER, S3E_OP_EQ, false,
            integer(5), true},
        {"modified", "k", S3E_COL_LAST_MODIFIED, S3E_OP_LT, false,
            text("2020-09-13T12:26:40Z"), false},
        {"modified <=", "k", S3E_COL_LAST_MODIFIED, S3E_OP_LE, false,
            text("2020-09-13T12:26:40Z"), true},
        {"GLOB", "a/k.jpg", S3E_COL_NAME, S3E_OP_GLOB, false, text("*.png"),
            false},
        {"LIKE", "a/K.JPG", S3E_COL_NAME, S3E_OP_LIKE, false, text("%.jpg"),
            true},
        {"LIKE beyond ASCII", "\xc3\xa4", S3E_COL_KEY, S3E_OP_LIKE, false,
            text("x%"), true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        in_case(cases[i].name);
        CHECK(keeps(cases[i].column, cases[i].op, cases[i].exact,
                  cases[i].value, cases[i].key) == cases[i].kept);
    }
    in_case(NULL);
}

static s3e_rc add(struct s3e_scan *scan, enum s3e_where_op op, bool exact,
    const char *key, struct s3e_err *err)
{
    struct s3e_where where = {.column = S3E_COL_KEY, .op = op, .exact = exact};
    const struct s3e_value value = text(key);
    s3e_rc rc = s3e_where_add(&where, &value, err);
    if (rc == S3E_OK) {
        rc = s3e_scan_add(scan, &where, err);
    }
    s3e_where_deinit(&where);
    return rc;
}

static s3e_rc narrow(void *ctx)
{
    struct s3e_scan scan = {0};
    struct s3e_err err;
    (void)ctx;
    scan.prefix = s3e_strdup(S3E_LIT("a"));
    s3e_rc rc = scan.prefix ? S3E_OK : S3E_E_NOMEM;
    const struct {
        enum s3e_where_op op;
        bool exact;
        const char *key;
    } terms[] = {{S3E_OP_GT, false, "ab"}, {S3E_OP_GT, false, "aa"},
        {S3E_OP_GE, false, "ac"}, {S3E_OP_LT, true, "ay"},
        {S3E_OP_LT, true, "az"}, {S3E_OP_LE, true, "ax"},
        {S3E_OP_LT, false, "aa"}, {S3E_OP_LE, false, "aa"},
        {S3E_OP_GLOB, false, "apple/*"}};
    for (size_t i = 0; i < sizeof terms / sizeof *terms && rc == S3E_OK; i++) {
        rc = add(&scan, terms[i].op, terms[i].exact, terms[i].key, &err);
    }
    if (rc == S3E_OK) {
        CHECK_STR(scan.after, "ab");
        CHECK_STR(scan.from, "ac");
        CHECK_STR(scan.before, "ay");
        CHECK_STR(scan.upto, "ax");
        CHECK_STR(scan.prefix, "apple/");
        CHECK(!scan.nothing && scan.only == 0);
        CHECK(s3e_scan_is_past(&scan, S3E_LIT("ay")));
        CHECK(s3e_scan_is_past(&scan, S3E_LIT("ax1")));
        CHECK(!s3e_scan_is_past(&scan, S3E_LIT("ax")));
        rc = add(&scan, S3E_OP_EQ, false, "apple/1", &err);
    }
    if (rc == S3E_OK) {
        CHECK(scan.only == scan.num_filters);
        rc = add(&scan, S3E_OP_GLOB, false, "b*", &err);
        CHECK(rc != S3E_OK || scan.nothing);
    }
    s3e_scan_deinit(&scan);
    return rc;
}

static void hides_markers(void)
{
    struct s3e_scan scan = {0};
    const struct s3e_object marker = object("a/", 0);
    const struct s3e_object full = object("a/", 1);
    const struct s3e_object empty = object("a", 0);
    CHECK(!s3e_scan_keeps(&scan, &marker));
    CHECK(s3e_scan_keeps(&scan, &full) && s3e_scan_keeps(&scan, &empty));
    scan.markers = true;
    CHECK(s3e_scan_keeps(&scan, &marker));
}

int main(void)
{
    count_allocations();
    compares();
    hides_markers();
    CHECK(narrow(NULL) == S3E_OK);
    sweep_allocations(narrow, NULL);
    CHECK(live_allocations() == 0);
    return 0;
}
