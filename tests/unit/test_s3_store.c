/* s3_store.c and request.c over a scripted transport: what is sent, what is
 * made of the answers, which failures heal and how the others are told. */
#include "base/mem.h"
#include "s3vfs/account.h"
#include "s3vfs/store.h"
#include "s3vfs/uri.h"
#include "tests/harness.h"
#include "tests/scripted.h"

static const struct scripted_object g_objects[] = {
    {"a b+%?#&=\xc3\xa9", "0123456789", "tag-2"},
    {"empty", "", "tag"},
};

static struct s3e_overrides overrides(void)
{
    return (struct s3e_overrides){.access_key_id = "AKIDEXAMPLE",
        .secret_access_key = "thesecretkey",
        .session_token = "thesessiontoken",
        .region = "us-east-1",
        .endpoint_url = "http://s3.test"};
}

static const char *no_environment(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return NULL;
}

static struct s3e_store *open_as(
    struct scripted *s, const struct s3e_overrides *as, const char *bucket)
{
    struct s3e_account *account = NULL;
    struct s3e_store *store = NULL;
    struct s3e_target target = {.bucket = (char *)(uintptr_t)bucket};
    struct s3e_err err;
    CHECK_RC(s3e_account_new(
                 &account, as, &s->transport, no_environment, NULL, &err),
        S3E_OK, &err);
    CHECK_RC(s3e_account_prepare(account, NULL, NULL, &err), S3E_OK, &err);
    CHECK_RC(s3e_store_open(&store, &target, account, &err), S3E_OK, &err);
    s3e_account_unref(account);
    return store;
}

static struct s3e_store *open_store(struct scripted *s)
{
    const struct s3e_overrides as = overrides();
    return open_as(s, &as, "bucket");
}

static struct scripted script(void)
{
    return (struct scripted){.objects = g_objects,
        .num_objects = sizeof g_objects / sizeof *g_objects,
        .answer_ms = -1};
}

/* One operation against a store of its own. */
static s3e_rc run(struct scripted *s, struct s3e_op *op, struct s3e_err *err)
{
    struct s3e_store *store = open_store(s);
    const s3e_rc rc = s3e_store_run(store, op, NULL, NULL, err);
    s3e_store_unref(store);
    return rc;
}

/* ---- what is sent ---- */

static void test_sent(void)
{
    struct scripted s = script();
    struct s3e_overrides as = overrides();
    struct s3e_err err;
    struct s3e_op op = {.in = {.kind = S3E_OP_GET,
                            .key = s3e_span_str(g_objects[0].key),
                            .etag = S3E_LIT("tag-2"),
                            .offset = 2,
                            .length = 3}};
    as.request_payer = "requester";
    as.expected_bucket_owner = "123456789012";
    scripted_init(&s);
    struct s3e_store *store = open_as(&s, &as, "bucket");
    CHECK_RC(s3e_store_run(store, &op, NULL, NULL, &err), S3E_OK, &err);
    CHECK_SPAN(s3e_blob_span(op.out.blob), "234");
    static const char *const wanted[] = {
        "GET http://s3.test/bucket/a%20b%2B%25%3F%23%26%3D%C3%A9\n",
        "\nRange: bytes=2-4\n",
        "\nIf-Match: \"tag-2\"\n",
        "\nx-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b93"
        "4ca495991b7852b855\n",
        "\nx-amz-request-payer: requester\n",
        "\nx-amz-expected-bucket-owner: 123456789012\n",
        "\nX-Amz-Date: ",
        "\nX-Amz-Security-Token: thesessiontoken\n",
        "\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/",
        "/us-east-1/s3/aws4_request",
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date;"
        "x-amz-expected-bucket-owner;x-amz-request-payer;x-amz-security-token",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        in_case(wanted[i]);
        CHECK(scripted_count(&s, wanted[i]) == 1);
    }
    in_case(NULL);
    CHECK(scripted_count(&s, "thesecretkey") == 0);
    s3e_op_reset(&op);
    s3e_store_unref(store);
    scripted_deinit(&s);
}

static void test_anonymous_is_not_signed(void)
{
    struct scripted s = script();
    const struct s3e_overrides as = {.no_sign_request = "1",
        .region = "us-east-1",
        .endpoint_url = "http://s3.test"};
    struct s3e_op op = {
        .in = {.kind = S3E_OP_GET, .key = S3E_LIT("no such key")}};
    struct s3e_err err;
    scripted_init(&s);
    struct s3e_store *store = open_as(&s, &as, "bucket");
    CHECK_RC(s3e_store_run(store, &op, NULL, NULL, &err), S3E_E_NOTFOUND, &err);
    CHECK(strstr(err.msg, "without credentials"));
    CHECK(scripted_count(&s, "Authorization") == 0);
    s3e_op_reset(&op);
    s3e_store_unref(store);
    scripted_deinit(&s);
}

/* An ETag comes from the store: it may not add lines to our request. */
static void test_no_header_is_smuggled(void)
{
    struct scripted s = script();
    struct s3e_err err;
    struct s3e_op op = {.in = {.kind = S3E_OP_GET,
                            .key = S3E_LIT("empty"),
                            .etag = S3E_LIT("x\"\r\nX-Evil: 1")}};
    scripted_init(&s);
    CHECK_RC(run(&s, &op, &err), S3E_E_INPUT, &err);
    CHECK(s.num_requests == 0);
    s3e_op_reset(&op);
    scripted_deinit(&s);
}

/* ---- what is answered ---- */

static void test_get(void)
{
    static const struct {
        const char *key, *etag;
        uint64_t offset, length, max;
        s3e_rc rc;
        const char *want;
    } cases[] = {
        {"a b+%?#&=\xc3\xa9", "", 0, 0, 0, S3E_OK, "0123456789"},
        {"a b+%?#&=\xc3\xa9", "tag-2", 0, 0, 0, S3E_OK, "0123456789"},
        {"a b+%?#&=\xc3\xa9", "other", 0, 0, 0, S3E_E_CHANGED, ""},
        {"a b+%?#&=\xc3\xa9", "", 8, 100, 0, S3E_OK, "89"},
        {"a b+%?#&=\xc3\xa9", "", 9, UINT64_MAX, 0, S3E_OK, "9"},
        {"a b+%?#&=\xc3\xa9", "", 10, 1, 0, S3E_E_RANGE, ""},
        {"a b+%?#&=\xc3\xa9", "", 0, 0, 10, S3E_OK, "0123456789"},
        {"a b+%?#&=\xc3\xa9", "", 0, 0, 9, S3E_E_LIMIT, ""},
        {"empty", "tag", 0, 0, 0, S3E_OK, ""},
        {"nope", "", 0, 0, 0, S3E_E_NOTFOUND, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scripted s = script();
        struct s3e_err err;
        struct s3e_op op = {.in = {.kind = S3E_OP_GET,
                                .key = s3e_span_str(cases[i].key),
                                .etag = s3e_span_str(cases[i].etag),
                                .offset = cases[i].offset,
                                .length = cases[i].length,
                                .max_bytes = cases[i].max}};
        scripted_init(&s);
        CHECK_RC(run(&s, &op, &err), cases[i].rc, &err);
        CHECK((op.out.blob != NULL) == (cases[i].rc == S3E_OK));
        CHECK_SPAN(s3e_blob_span(op.out.blob), cases[i].want);
        CHECK(s.num_requests == 1 && op.out.retries == 0);
        s3e_op_reset(&op);
        scripted_deinit(&s);
    }
}

static void test_head(void)
{
    struct scripted s = script();
    struct s3e_err err;
    struct s3e_op op = {
        .in = {.kind = S3E_OP_HEAD, .key = s3e_span_str(g_objects[0].key)}};
    scripted_init(&s);
    CHECK_RC(run(&s, &op, &err), S3E_OK, &err);
    const struct s3e_page *page = op.out.page;
    CHECK(page->num_objects == 1 && page->num_meta == 1);
    CHECK_SPAN(page->objects[0].key, g_objects[0].key);
    CHECK_SPAN(page->objects[0].etag, "tag-2");
    CHECK_SPAN(page->objects[0].storage_class, "STANDARD");
    CHECK(page->objects[0].size == 10);
    CHECK(page->objects[0].last_modified == 1704164645);
    CHECK_SPAN(page->content_type, "text/plain");
    CHECK_SPAN(page->meta[0].name, "who");
    CHECK_SPAN(page->meta[0].value, "me");
    s3e_op_reset(&op);
    op.in.key = S3E_LIT("nope");
    CHECK_RC(run(&s, &op, &err), S3E_E_NOTFOUND, &err);
    s3e_op_reset(&op);
    scripted_deinit(&s);
}

static void give_buckets(struct scripted *s, struct s3e_exchange *ex)
{
    static const char xml[] =
        "<ListAllMyBucketsResult><Buckets><Bucket><Name>b1</Name>"
        "<CreationDate>2024-01-02T03:04:05.000Z</CreationDate>"
        "<BucketRegion>eu-west-3</BucketRegion></Bucket></Buckets>"
        "</ListAllMyBucketsResult>";
    (void)s;
    s3e_blob_unref(ex->out.body);
    ex->out.status = 200;
    ex->out.body = s3e_blob_new(sizeof xml - 1);
    if (!ex->out.body) {
        ex->out.rc = s3e_fail(&ex->out.err, S3E_E_NOMEM, "no memory");
        return;
    }
    memcpy(ex->out.body->data, xml, sizeof xml - 1);
    ex->out.body->len = sizeof xml - 1;
}

static void test_buckets(void)
{
    struct scripted s = script();
    const struct s3e_overrides as = overrides();
    struct s3e_op op = {.in = {.kind = S3E_OP_BUCKETS}};
    struct s3e_err err;
    s.tamper = give_buckets;
    scripted_init(&s);
    struct s3e_store *store = open_as(&s, &as, "");
    CHECK_RC(s3e_store_run(store, &op, NULL, NULL, &err), S3E_OK, &err);
    CHECK(scripted_count(&s, "GET http://s3.test/\n") == 1);
    CHECK(op.out.page->num_objects == 1);
    CHECK_SPAN(op.out.page->objects[0].key, "b1");
    CHECK_SPAN(op.out.page->objects[0].storage_class, "eu-west-3");
    s3e_op_reset(&op);
    s3e_store_unref(store);
    scripted_deinit(&s);
}

/* A store that sends other bytes than those asked for is not believed. */
static const char *g_header, *g_value;

static void change_header(struct scripted *s, struct s3e_exchange *ex)
{
    struct s3e_buf headers = S3E_BUF(4096);
    struct s3e_span rest = s3e_buf_span(&ex->out.headers);
    (void)s;
    while (rest.len) {
        const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
        CHECK(end != NULL);
        const size_t len = (size_t)(end - rest.ptr) + 1;
        if (!s3e_span_starts(rest, s3e_span_str(g_header))) {
            s3e_buf_add(&headers, (struct s3e_span){rest.ptr, len});
        }
        rest = s3e_span_from(rest, len);
    }
    s3e_buf_printf(&headers, "%s: %s\n", g_header, g_value);
    s3e_buf_free(&ex->out.headers);
    ex->out.headers = headers;
    ex->out.headers.cap = 65536;
}

static void test_other_bytes_than_asked(void)
{
    static const struct {
        const char *header, *value;
        s3e_rc rc;
    } cases[] = {
        {"etag", "\"another\"", S3E_E_CHANGED},
        {"content-range", "bytes 3-5/10", S3E_E_FORMAT},
        {"content-range", "bytes 2-5/10", S3E_E_FORMAT},
        {"content-range", "bytes 2-3/10", S3E_E_FORMAT},
        {"content-range", "bytes */10", S3E_E_FORMAT},
        {"content-range", "bytes 4-2/10", S3E_E_FORMAT},
        {"content-range", "", S3E_E_FORMAT},
        {"content-range", "bytes 2-4/10", S3E_OK},
        {"content-range", "bytes 2-4/*", S3E_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scripted s = script();
        struct s3e_err err;
        struct s3e_op op = {.in = {.kind = S3E_OP_GET,
                                .key = s3e_span_str(g_objects[0].key),
                                .etag = S3E_LIT("tag-2"),
                                .offset = 2,
                                .length = 3}};
        g_header = cases[i].header;
        g_value = cases[i].value;
        in_case(g_value);
        s.tamper = change_header;
        scripted_init(&s);
        CHECK_RC(run(&s, &op, &err), cases[i].rc, &err);
        s3e_op_reset(&op);
        scripted_deinit(&s);
    }
    in_case(NULL);
}

static void drop_length(struct scripted *s, struct s3e_exchange *ex)
{
    g_header = "content-length";
    g_value = "";
    change_header(s, ex);
}

/* What only the connection's end ends may be cut: asked for again, then
 * refused. */
static void test_a_length_that_is_not_told(void)
{
    struct scripted s = script();
    struct s3e_err err;
    struct s3e_op op = {
        .in = {.kind = S3E_OP_GET, .key = s3e_span_str(g_objects[0].key)}};
    s.tamper = drop_length;
    scripted_init(&s);
    CHECK_RC(run(&s, &op, &err), S3E_E_FORMAT, &err);
    CHECK(strstr(err.msg, "does not say how long the object is"));
    CHECK(s.num_requests == 3);
    s3e_op_reset(&op);
    scripted_deinit(&s);
}

/* ---- regions ---- */

static void test_the_bucket_is_elsewhere(void)
{
    for (int dumb = 0; dumb < 2; dumb++) {
        for (enum s3e_op_kind kind = S3E_OP_LIST; kind <= S3E_OP_GET; kind++) {
            struct scripted s = script();
            struct s3e_op op = {.in = {.kind = kind, .key = S3E_LIT("empty")}};
            struct s3e_err err;
            if (kind == S3E_OP_BUCKETS) {
                continue;
            }
            s.region = "eu-west-3";
            s.dumb_head = dumb;
            scripted_init(&s);
            struct s3e_store *store = open_store(&s);
            CHECK_RC(s3e_store_run(store, &op, NULL, NULL, &err), S3E_OK, &err);
            s3e_op_reset(&op);
            /* A HEAD has no body: where no header says the region, the bucket
             * is asked, by nobody in particular. */
            const bool probed = dumb && kind == S3E_OP_HEAD;
            CHECK(s.num_requests == (probed ? 3 : 2));
            CHECK(
                scripted_count(&s, "HEAD http://s3.test/bucket\n\n") == probed);
            CHECK(scripted_count(&s, "/eu-west-3/s3/aws4_request") == 1);
            /* It is remembered. */
            CHECK_RC(s3e_store_run(store, &op, NULL, NULL, &err), S3E_OK, &err);
            CHECK(s.num_requests == (probed ? 4 : 3));
            CHECK(op.out.retries == 0);
            s3e_op_reset(&op);
            s3e_store_unref(store);
            scripted_deinit(&s);
        }
    }
}

static void lie_about_region(struct scripted *s, struct s3e_exchange *ex)
{
    (void)s;
    s3e_buf_printf(
        &ex->out.headers, "x-amz-bucket-region: r-%u\n", s->num_requests);
    ex->out.status = 301;
}

/* A store that sends one on and on is followed once. */
static void test_no_region_is_right(void)
{
    struct scripted s = script();
    struct s3e_op op = {.in = {.kind = S3E_OP_GET, .key = S3E_LIT("empty")}};
    struct s3e_err err;
    s.tamper = lie_about_region;
    scripted_init(&s);
    CHECK_RC(run(&s, &op, &err), S3E_E_IO, &err);
    CHECK(s.num_requests == 2 && strstr(err.msg, "region r-1"));
    s3e_op_reset(&op);
    scripted_deinit(&s);
}

/* ---- failures ---- */

static void refuse_without_reason(struct scripted *s, struct s3e_exchange *ex)
{
    (void)s;
    s3e_blob_unref(ex->out.body);
    s3e_buf_clear(&ex->out.headers);
    ex->out.body = NULL;
    ex->out.status = 400;
}

/* So S3 answers a HEAD with a session token that expired. */
static void test_head_with_an_expired_token(void)
{
    struct scripted s = script();
    const struct s3e_overrides as = overrides();
    struct s3e_target target = {.bucket = (char *)(uintptr_t) "bucket"};
    struct s3e_op op = {.in = {.kind = S3E_OP_HEAD, .key = S3E_LIT("empty")}};
    struct s3e_account *account = NULL;
    struct s3e_store *store = NULL;
    struct s3e_credentials who = {0};
    struct s3e_err err;
    s.tamper = refuse_without_reason;
    scripted_init(&s);
    CHECK_RC(s3e_account_new(
                 &account, &as, &s.transport, no_environment, NULL, &err),
        S3E_OK, &err);
    CHECK_RC(s3e_account_prepare(account, NULL, NULL, &err), S3E_OK, &err);
    CHECK_RC(s3e_store_open(&store, &target, account, &err), S3E_OK, &err);
    CHECK_RC(s3e_store_run(store, &op, NULL, NULL, &err), S3E_E_IO, &err);
    CHECK_RC(s3e_account_credentials(account, &who, &err), S3E_OK, &err);
    CHECK(s.num_requests == 2 && who.expires == 1);
    s3e_credentials_deinit(&who);
    s3e_op_reset(&op);
    s3e_store_unref(store);
    s3e_account_unref(account);
    scripted_deinit(&s);
}

static void test_messages(void)
{
    static const struct {
        enum fault fault;
        s3e_rc rc;
        const char *code, *msg;
        unsigned requests;
    } cases[] = {
        {FAULT_DENIED, S3E_E_DENIED, "AccessDenied",
            "s3://bucket/empty: AccessDenied (403) from http://s3.test with "
            "credentials from "
            "s3_config, region us-east-1 (request id ID1)",
            1},
        {FAULT_EXPIRED, S3E_E_AUTH, "ExpiredToken",
            "s3://bucket/empty: ExpiredToken (403) from http://s3.test with "
            "credentials from "
            "s3_config, region us-east-1 (request id ID1): they expired and "
            "are "
            "looked for anew by the next statement",
            1},
        {FAULT_404, S3E_E_NOTFOUND, "NoSuchKey",
            "s3://bucket/empty: NoSuchKey (404) from http://s3.test with "
            "credentials from "
            "s3_config, region us-east-1 (request id ID1)",
            1},
        {FAULT_412, S3E_E_CHANGED, "PreconditionFailed",
            "s3://bucket/empty: PreconditionFailed (412) from http://s3.test "
            "with credentials from "
            "s3_config, region us-east-1 (request id ID1): it changed since it "
            "was listed",
            1},
        {FAULT_500, S3E_E_IO, "InternalError",
            "s3://bucket/empty: InternalError (500) from http://s3.test after "
            "3 attempts with "
            "credentials from s3_config, region us-east-1 (request id ID1)",
            3},
        {FAULT_503, S3E_E_IO, "SlowDown",
            "s3://bucket/empty: SlowDown (503) from http://s3.test after 3 "
            "attempts with "
            "credentials from s3_config, region us-east-1 (request id ID1)",
            3},
        {FAULT_REFUSED, S3E_E_UNREACHABLE, "",
            "s3://bucket/empty: after 3 attempts: http://s3.test: connection "
            "refused",
            3},
        {FAULT_TRUNCATED, S3E_E_IO, "",
            "s3://bucket/empty: after 3 attempts: received 512 of 1024 bytes: "
            "reset",
            3},
        {FAULT_TOO_LONG, S3E_E_LIMIT, "",
            "s3://bucket/empty: the answer has 9 bytes, more than the 8 "
            "allowed",
            1},
        {FAULT_STOPPED, S3E_E_STOPPED, "", "s3://bucket/empty: stopped", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scripted s = script();
        struct s3e_op op = {
            .in = {.kind = S3E_OP_GET, .key = S3E_LIT("empty")}};
        struct s3e_err err;
        in_case(cases[i].msg);
        s.fault = cases[i].fault;
        s.fault_at = 1;
        s.for_ever = true;
        scripted_init(&s);
        CHECK_RC(run(&s, &op, &err), cases[i].rc, &err);
        CHECK_STR(err.code, cases[i].code);
        CHECK_STR(err.msg, cases[i].msg);
        CHECK(s.num_requests == cases[i].requests);
        CHECK(op.out.retries == cases[i].requests - 1);
        s3e_op_reset(&op);
        scripted_deinit(&s);
    }
    in_case(NULL);
}

static void test_a_long_key_leaves_room_for_the_reason(void)
{
    struct scripted s = script();
    char key[S3E_KEY_MAX + 2];
    struct s3e_op op = {.in = {.kind = S3E_OP_GET}};
    struct s3e_err err;
    for (size_t i = 0; i + 1 < sizeof key; i += 2) {
        memcpy(key + i, "\xc3\xa9", 2);
    }
    op.in.key = (struct s3e_span){(const uint8_t *)key, S3E_KEY_MAX};
    s.fault = FAULT_DENIED;
    s.fault_at = 1;
    scripted_init(&s);
    CHECK_RC(run(&s, &op, &err), S3E_E_DENIED, &err);
    CHECK(strstr(err.msg, "\xc3\xa9...: AccessDenied (403)"));
    CHECK(strstr(err.msg, "(request id ID1)"));
    s3e_op_reset(&op);
    op.in.key.len = S3E_KEY_MAX + 1;
    CHECK_RC(run(&s, &op, &err), S3E_E_LIMIT, &err);
    CHECK(strstr(err.msg, "key exceeds 1024 bytes"));
    s3e_op_reset(&op);
    scripted_deinit(&s);
}

/* Each fault at request k, once and for ever, over all operations: the right
 * answer, or an error that names the object and no secret. */
static void test_faults(void)
{
    for (unsigned f = 0; f < 2 * NUM_FAULTS; f++) {
        struct scripted s = script();
        s.fault = (enum fault)(f % NUM_FAULTS);
        s.for_ever = f >= NUM_FAULTS;
        in_case(fault_name(s.fault));
        scripted_init(&s);
        for (unsigned k = 1; k < 5; k++) {
            struct s3e_op op = {.in = {.kind = S3E_OP_GET,
                                    .key = s3e_span_str(g_objects[0].key),
                                    .etag = S3E_LIT("tag-2"),
                                    .offset = 2,
                                    .length = 3}};
            struct s3e_err err;
            scripted_again(&s);
            s.fault_at = k;
            const s3e_rc rc = run(&s, &op, &err);
            if (rc == S3E_OK) {
                CHECK_SPAN(s3e_blob_span(op.out.blob), "234");
            } else {
                CHECK(s.num_faults > 0 && !op.out.blob);
                CHECK(strncmp(err.msg, "s3://bucket/a b+%?#", 19) == 0);
                CHECK(!strstr(err.msg, "thesecretkey") &&
                      !strstr(err.msg, "thesessiontoken") &&
                      !strstr(err.msg, "Signature="));
            }
            s3e_op_reset(&op);
        }
        scripted_deinit(&s);
    }
    in_case(NULL);
}

/* ---- cancelling ---- */

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void test_cancel(void)
{
    struct scripted s = script();
    struct s3e_err err;
    s.answer_ms = 2;
    s.fault = FAULT_500; /* so that it is cancelled between attempts too */
    s.fault_at = 1;
    s.for_ever = true;
    scripted_init(&s);
    struct s3e_store *store = open_store(&s);
    for (int i = 0; i < 50; i++) {
        struct s3e_op op = {
            .in = {.kind = S3E_OP_GET, .key = S3E_LIT("empty")}};
        const s3e_rc rc =
            s3e_store_run(store, &op, i % 2 ? at_once : NULL, NULL, &err);
        CHECK(rc == S3E_E_IO || rc == S3E_E_STOPPED);
        s3e_store_cancel(store, &op); /* ended: harmless */
        s3e_op_reset(&op);
    }
    s3e_store_unref(store);
    scripted_deinit(&s);
}

struct ended {
    s3e_rc rc;
    bool blob;
};

static void note_end(struct s3e_op *op)
{
    *(struct ended *)op->in.user =
        (struct ended){op->out.rc, op->out.blob != NULL};
    s3e_op_reset(op);
}

/* The store is let go of before its operation ends. */
static void test_the_store_lives_as_long_as_its_operations(void)
{
    struct scripted s = script();
    struct ended ended = {S3E_E_IO, false};
    struct s3e_op op = {.in = {.kind = S3E_OP_GET,
                            .key = S3E_LIT("empty"),
                            .done = note_end,
                            .user = &ended}};
    s.answer_ms = 5;
    scripted_init(&s);
    struct s3e_store *store = open_store(&s);
    s3e_store_start(store, &op);
    s3e_store_unref(store);
    scripted_deinit(&s); /* waits for the answer */
    CHECK(ended.rc == S3E_OK && ended.blob);
}

/* ---- the rest ---- */

static void test_stats_and_uri(void)
{
    struct scripted s = script();
    struct s3e_buf uri = S3E_BUF(4096);
    struct s3e_op op = {
        .in = {.kind = S3E_OP_GET, .key = s3e_span_str(g_objects[0].key)}};
    struct s3e_err err;
    const struct s3e_store_stats before = s3e_store_stats();
    s.fault = FAULT_500;
    s.fault_at = 1;
    scripted_init(&s);
    struct s3e_store *store = open_store(&s);
    CHECK_RC(s3e_store_run(store, &op, NULL, NULL, &err), S3E_OK, &err);
    s3e_op_reset(&op);
    op.in.key = S3E_LIT("nope");
    CHECK_RC(s3e_store_run(store, &op, NULL, NULL, &err), S3E_E_NOTFOUND, &err);
    s3e_op_reset(&op);
    const struct s3e_store_stats after = s3e_store_stats();
    CHECK(after.gets - before.gets == 2 && after.lists == before.lists);
    CHECK(after.retries - before.retries == 1);
    CHECK(after.bytes - before.bytes == 10);
    CHECK(after.failures - before.failures == 1);
    CHECK(store->kind->remote);
    store->kind->uri(store, &uri, S3E_LIT("a/b c"));
    CHECK_SPAN(s3e_buf_span(&uri), "s3://bucket/a/b c");
    s3e_buf_free(&uri);
    s3e_store_unref(store);
    scripted_deinit(&s);
}

struct sweep {
    struct s3e_store *store;
    struct scripted *scripted;
    enum s3e_op_kind kind;
};

static s3e_rc sweep_body(void *ctx)
{
    const struct sweep *sweep = ctx;
    struct s3e_op op = {.in = {.kind = sweep->kind,
                            .key = s3e_span_str(g_objects[0].key),
                            .etag = S3E_LIT("tag-2")}};
    struct s3e_err err;
    const s3e_rc rc = s3e_store_run(sweep->store, &op, NULL, NULL, &err);
    s3e_op_reset(&op);
    scripted_again(sweep->scripted);
    return rc;
}

static void test_allocations(void)
{
    struct scripted s = script();
    scripted_init(&s);
    struct s3e_store *store = open_store(&s);
    sweep_allocations(sweep_body, &(struct sweep){store, &s, S3E_OP_GET});
    sweep_allocations(sweep_body, &(struct sweep){store, &s, S3E_OP_HEAD});
    s.tamper = give_buckets;
    sweep_allocations(sweep_body, &(struct sweep){store, &s, S3E_OP_BUCKETS});
    s3e_store_unref(store);
    scripted_deinit(&s);
}

int main(void)
{
    count_allocations();
    test_sent();
    test_anonymous_is_not_signed();
    test_no_header_is_smuggled();
    test_get();
    test_head();
    test_buckets();
    test_other_bytes_than_asked();
    test_a_length_that_is_not_told();
    test_the_bucket_is_elsewhere();
    test_no_region_is_right();
    test_head_with_an_expired_token();
    test_messages();
    test_a_long_key_leaves_room_for_the_reason();
    test_faults();
    test_cancel();
    test_the_store_lives_as_long_as_its_operations();
    test_stats_and_uri();
    test_allocations();
    CHECK(live_allocations() == 0);
    return 0;
}
