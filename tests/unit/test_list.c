/* list.c over the S3 store and a scripted transport: rows, pages ahead, bounds,
 * known keys, and every fault at every request. */
#include "s3vfs/list.h"

#include "base/mem.h"
#include "s3vfs/account.h"
#include "s3vfs/uri.h"
#include "tests/harness.h"
#include "tests/scripted.h"

enum { MANY = 2500 };

static const struct scripted_object g_objects[] = {
    {"a", "1", "e1"},
    {"a b+%?#&=\xc3\xa9", "22", "e2"},
    {"a/", "", "e3"},
    {"a/b", "333", "e4"},
    {"a/c/d", "4444", "e5"},
    {"b", "55555", "e6"},
    {"b\xf0\x9f\x98\x80", "666666", "e7"},
    {"c/x", "7777777", "e8"},
    {"d", "88888888", "e9"},
};
enum { NUM_OBJECTS = sizeof g_objects / sizeof *g_objects };

static const char *no_environment(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return NULL;
}

static struct s3e_store *open_store(struct scripted *s)
{
    const struct s3e_overrides overrides = {.access_key_id = "AKID",
        .secret_access_key = "secret",
        .region = "us-east-1",
        .endpoint_url = "http://s3.test"};
    struct s3e_account *account = NULL;
    struct s3e_store *store = NULL;
    struct s3e_target target = {0};
    struct s3e_err err;
    CHECK_RC(s3e_account_new(&account, &overrides, &s->transport,
                 no_environment, NULL, &err),
        S3E_OK, &err);
    CHECK_RC(s3e_account_prepare(account, NULL, NULL, &err), S3E_OK, &err);
    CHECK_RC(s3e_target_parse(&target, S3E_LIT("bucket"), &err), S3E_OK, &err);
    CHECK_RC(s3e_store_open(&store, &target, account, &err), S3E_OK, &err);
    s3e_target_deinit(&target);
    s3e_account_unref(account);
    return store;
}

/* All keys, or folders, of the listing in one line. */
static s3e_rc read_all(struct s3e_buf *out, struct s3e_list *list, bool folders,
    struct s3e_err *err)
{
    for (;;) {
        struct s3e_list_row row = {0};
        struct s3e_span text = {0};
        s3e_rc rc = folders ? s3e_list_next_folder(list, &text, NULL, NULL, err)
                            : s3e_list_next(list, &row, true, NULL, NULL, err);
        if (rc) {
            return rc;
        }
        text = row.page ? row.page->objects[row.index].key : text;
        if (!text.ptr) {
            return s3e_buf_check(out, "keys", err);
        }
        s3e_buf_add(out, text);
        s3e_buf_add_byte(out, '|');
        s3e_page_unref(row.page);
    }
}

static s3e_rc list_into(struct s3e_buf *out, struct s3e_store *store,
    const struct s3e_list_args *args, struct s3e_err *err)
{
    struct s3e_list *list = NULL;
    s3e_rc rc = s3e_list_new(&list, store, args, err);
    if (!rc) {
        rc = read_all(out, list, args->delimiter.len > 0, err);
        s3e_list_free(list);
    }
    return rc;
}

static void test_rows(void)
{
    static const struct {
        const char *name, *prefix, *after, *from, *delimiter, *want;
        const char *asked; /* stands in the log; NULL: any */
    } cases[] = {
        {"all", "", "", "", "",
            "a|a b+%?#&=\xc3\xa9|a/|a/b|a/c/d|b|b\xf0\x9f\x98\x80|c/x|d|",
            "list-type=2\n"},
        {"prefix", "a/", "", "", "", "a/|a/b|a/c/d|", "prefix=a%2F"},
        {"nothing", "zz", "", "", "", "", NULL},
        {"start after", "", "a/c/d", "", "", "b|b\xf0\x9f\x98\x80|c/x|d|",
            "start-after=a%2Fc%2Fd"},
        {"from a key", "", "", "b", "", "b|b\xf0\x9f\x98\x80|c/x|d|",
            "start-after=a%F4%8F%BF%BD"},
        {"from between", "", "", "b!", "", "b\xf0\x9f\x98\x80|c/x|d|", NULL},
        {"the later of both", "", "b", "a", "", "b\xf0\x9f\x98\x80|c/x|d|",
            "start-after=b"},
        {"the later of both, from", "", "a", "c", "", "c/x|d|", NULL},
        {"from before the prefix", "b", "", "a", "", "b|b\xf0\x9f\x98\x80|",
            "prefix=b\n"},
        {"from past the end", "", "", "e", "", "", NULL},
        {"after what is no UTF-8", "", "a/c/\xff", "", "",
            "b|b\xf0\x9f\x98\x80|c/x|d|", "start-after=a%2Fc%2F"},
        {"folders", "", "", "", "/", "a/|c/|", "delimiter=%2F"},
        {"folders within", "a/", "", "", "/", "a/c/|", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t page_keys = 0; page_keys < 4; page_keys++) {
            struct scripted s = {.objects = g_objects,
                .num_objects = NUM_OBJECTS,
                .page_keys = page_keys,
                .answer_ms = -1};
            struct s3e_buf got = S3E_BUF(65536);
            struct s3e_err err;
            const struct s3e_list_args args = {
                .prefix = s3e_span_str(cases[i].prefix),
                .start_after = s3e_span_str(cases[i].after),
                .from = s3e_span_str(cases[i].from),
                .delimiter = s3e_span_str(cases[i].delimiter),
                .ordered = true};
            in_case(cases[i].name);
            scripted_init(&s);
            struct s3e_store *store = open_store(&s);
            CHECK_RC(list_into(&got, store, &args, &err), S3E_OK, &err);
            CHECK_SPAN(s3e_buf_span(&got), cases[i].want);
            CHECK(!cases[i].asked || page_keys ||
                  scripted_count(&s, cases[i].asked) == 1);
            CHECK(scripted_count(&s, "encoding-type=url&list-type=2") ==
                  s.num_requests);
            s3e_buf_free(&got);
            s3e_store_unref(store);
            scripted_deinit(&s);
        }
    }
    in_case(NULL);
}

static struct scripted_object *make_many(void)
{
    struct scripted_object *objects = calloc(MANY, sizeof *objects);
    CHECK(objects != NULL);
    for (int i = 0; i < MANY; i++) {
        char *key = malloc(16);
        CHECK(key != NULL);
        (void)snprintf(key, 16, "k%05d", i);
        objects[i] = (struct scripted_object){key, "x", "e"};
    }
    return objects;
}

static void free_many(struct scripted_object *objects)
{
    for (int i = 0; i < MANY; i++) {
        free((void *)(uintptr_t)objects[i].key);
    }
    free(objects);
}

/* Reads `count` rows; returns the requests made by then. */
static unsigned requests_for(
    const struct scripted_object *objects, uint64_t limit, size_t count)
{
    struct scripted s = {
        .objects = objects, .num_objects = MANY, .answer_ms = -1};
    const struct s3e_list_args args = {.limit = limit, .ordered = true};
    struct s3e_list *list = NULL;
    struct s3e_err err;
    scripted_init(&s);
    struct s3e_store *store = open_store(&s);
    CHECK_RC(s3e_list_new(&list, store, &args, &err), S3E_OK, &err);
    for (size_t i = 0; i < count; i++) {
        struct s3e_list_row row;
        char want[32];
        CHECK_RC(
            s3e_list_next(list, &row, true, NULL, NULL, &err), S3E_OK, &err);
        (void)snprintf(want, sizeof want, "k%05zu", i);
        CHECK(row.page != NULL);
        CHECK_SPAN(row.page->objects[row.index].key, want);
        s3e_page_unref(row.page);
    }
    const unsigned requests = s.num_requests;
    s3e_list_free(list);
    s3e_store_unref(store);
    scripted_deinit(&s);
    return requests;
}

static void test_one_page_ahead(void)
{
    struct scripted_object *objects = make_many();
    CHECK(requests_for(objects, 0, 0) == 1);
    CHECK(requests_for(objects, 0, 1) == 2);
    CHECK(requests_for(objects, 0, 1000) == 2);
    CHECK(requests_for(objects, 0, 1001) == 3);
    CHECK(requests_for(objects, 0, MANY) == 3);
    /* A limit: no page that holds none of the rows wanted... */
    CHECK(requests_for(objects, 5, 5) == 1);
    CHECK(requests_for(objects, 1000, 1000) == 1);
    CHECK(requests_for(objects, 1001, 1) == 2);
    CHECK(requests_for(objects, 2000, 2000) == 2);
    /* ... but those who read on after all get on. */
    CHECK(requests_for(objects, 5, 1500) == 3);
    free_many(objects);
}

static void test_without_waiting(void)
{
    struct scripted s = {
        .objects = g_objects, .num_objects = NUM_OBJECTS, .answer_ms = 30};
    const struct s3e_list_args args = {.ordered = true};
    struct s3e_list *list = NULL;
    struct s3e_list_row row;
    struct s3e_err err;
    scripted_init(&s);
    struct s3e_store *store = open_store(&s);
    CHECK_RC(s3e_list_new(&list, store, &args, &err), S3E_OK, &err);
    CHECK_RC(s3e_list_next(list, &row, false, NULL, NULL, &err), S3E_OK, &err);
    CHECK(!row.page && !row.ended);
    size_t rows = 0;
    do {
        CHECK_RC(
            s3e_list_next(list, &row, true, NULL, NULL, &err), S3E_OK, &err);
        rows += row.page != NULL;
        s3e_page_unref(row.page);
    } while (row.page);
    CHECK(rows == NUM_OBJECTS && row.ended);
    s3e_list_free(list);
    s3e_store_unref(store);
    scripted_deinit(&s);
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

/* A stopped wait may be taken up again; a list may be freed with its page on
 * the way. */
static void test_stop(void)
{
    struct scripted s = {
        .objects = g_objects, .num_objects = NUM_OBJECTS, .answer_ms = 60};
    const struct s3e_list_args args = {.ordered = true};
    struct s3e_list *list = NULL;
    struct s3e_list_row row;
    struct s3e_err err;
    scripted_init(&s);
    struct s3e_store *store = open_store(&s);
    CHECK_RC(s3e_list_new(&list, store, &args, &err), S3E_OK, &err);
    CHECK_RC(s3e_list_next(list, &row, true, at_once, NULL, &err),
        S3E_E_STOPPED, &err);
    CHECK_RC(s3e_list_next(list, &row, true, NULL, NULL, &err), S3E_OK, &err);
    CHECK_SPAN(row.page->objects[row.index].key, "a");
    s3e_page_unref(row.page);
    s3e_list_free(list);
    CHECK_RC(s3e_list_new(&list, store, &args, &err), S3E_OK, &err);
    s3e_list_free(list);
    s3e_store_unref(store);
    scripted_deinit(&s);
}

/* ---- stores that lie ---- */

static void replace_body(struct s3e_exchange *ex, const char *text)
{
    s3e_blob_unref(ex->out.body);
    ex->out.body = s3e_blob_new(strlen(text));
    CHECK(ex->out.body != NULL);
    CHECK(s3e_blob_append(&ex->out.body, s3e_span_str(text), 65536) == S3E_OK);
}

#define ONE_KEY(k)                                                             \
 "<Contents><Key>" k "</Key><Size>1</Size><ETag>e</ETag></Contents>"
#define PAGE(keys, more) "<ListBucketResult>" keys more "</ListBucketResult>"
#define MORE(token)                                                            \
 "<IsTruncated>true</IsTruncated>"                                             \
 "<NextContinuationToken>" token "</NextContinuationToken>"

static const char *const *g_pages;

static void play_pages(struct scripted *s, struct s3e_exchange *ex)
{
    replace_body(ex, g_pages[s->num_requests - 1]);
}

static void circle(struct scripted *s, struct s3e_exchange *ex)
{
    char text[512];
    (void)snprintf(text, sizeof text,
        PAGE("", "<IsTruncated>true</IsTruncated>"
                 "<NextContinuationToken>t%u</NextContinuationToken>"),
        s->num_requests % 3);
    replace_body(ex, text);
}

static void test_stores_that_lie(void)
{
    static const char *const repeats[] = {
        PAGE(ONE_KEY("a"), MORE("t")), PAGE(ONE_KEY("b"), MORE("t")), NULL};
    static const char *const falls[] = {
        PAGE(ONE_KEY("b") ONE_KEY("a"), ""), NULL};
    static const char *const falls_later[] = {
        PAGE(ONE_KEY("b"), MORE("t")), PAGE(ONE_KEY("a"), ""), NULL};
    static const char *const doubles[] = {
        PAGE(ONE_KEY("b"), MORE("t")), PAGE(ONE_KEY("b"), ""), NULL};
    static const char *const empty_last[] = {
        PAGE(ONE_KEY("a"), MORE("t")), PAGE("", ""), NULL};
    static const char *const empty_middle[] = {PAGE(ONE_KEY("a"), MORE("t")),
        PAGE("", MORE("u")), PAGE(ONE_KEY("b"), ""), NULL};
    static const struct {
        const char *name;
        const char *const *pages; /* NULL: three tokens in a circle */
        bool ordered;
        s3e_rc rc;
        const char *says;
    } cases[] = {
        {"a token repeated", repeats, true, S3E_E_FORMAT, "repeats its"},
        {"tokens in a circle", NULL, true, S3E_E_FORMAT, "repeats its"},
        {"order broken", falls, true, S3E_E_FORMAT, "key a behind b"},
        {"order broken, none asked", falls, false, S3E_OK, "b|a|"},
        {"order broken by a page", falls_later, true, S3E_E_FORMAT,
            "key a behind b"},
        {"a key twice", doubles, true, S3E_E_FORMAT, "key b behind b"},
        {"empty last page", empty_last, true, S3E_OK, "a|"},
        {"empty page between", empty_middle, true, S3E_OK, "a|b|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scripted s = {
            .answer_ms = -1, .tamper = cases[i].pages ? play_pages : circle};
        struct s3e_buf got = S3E_BUF(65536);
        struct s3e_err err;
        const struct s3e_list_args args = {.ordered = cases[i].ordered};
        in_case(cases[i].name);
        g_pages = cases[i].pages;
        scripted_init(&s);
        struct s3e_store *store = open_store(&s);
        CHECK_RC(list_into(&got, store, &args, &err), cases[i].rc, &err);
        if (cases[i].rc) {
            CHECK(strstr(err.msg, cases[i].says));
        } else {
            CHECK_SPAN(s3e_buf_span(&got), cases[i].says);
        }
        CHECK(s.num_requests < 12);
        s3e_buf_free(&got);
        s3e_store_unref(store);
        scripted_deinit(&s);
    }
    in_case(NULL);
}

/* ---- known keys ---- */

static s3e_rc keys_into(struct s3e_buf *out, struct s3e_store *store,
    const char *const *names, size_t num, struct s3e_err *err)
{
    struct s3e_span keys[256];
    struct s3e_list *list = NULL;
    for (size_t i = 0; i < num; i++) {
        keys[i] = s3e_span_str(names[i]);
    }
    s3e_rc rc = s3e_list_new_keys(&list, store, keys, num, err);
    if (!rc) {
        rc = read_all(out, list, false, err);
        s3e_list_free(list);
    }
    return rc;
}

static void test_known_keys(void)
{
    static const char *const names[] = {
        "d", "zz", "a/b", "a", "d", "nope", "b", "a b+%?#&=\xc3\xa9"};
    for (int answer_ms = -1; answer_ms < 2; answer_ms++) {
        struct scripted s = {.objects = g_objects,
            .num_objects = NUM_OBJECTS,
            .answer_ms = answer_ms};
        struct s3e_buf got = S3E_BUF(65536);
        struct s3e_err err;
        scripted_init(&s);
        struct s3e_store *store = open_store(&s);
        CHECK_RC(keys_into(&got, store, names, 8, &err), S3E_OK, &err);
        CHECK_SPAN(s3e_buf_span(&got), "a|a b+%?#&=\xc3\xa9|a/b|b|d|");
        CHECK(scripted_count(&s, "HEAD ") == 7 && s.num_requests == 7);

        /* None is there: is the bucket? */
        scripted_again(&s);
        s3e_buf_clear(&got);
        CHECK_RC(keys_into(&got, store, names + 1, 1, &err), S3E_OK, &err);
        CHECK(got.len == 0 && scripted_count(&s, "GET ") == 1);
        s.fault = FAULT_404;
        s.for_ever = true;
        s.fault_at = 1;
        CHECK_RC(
            keys_into(&got, store, names + 1, 1, &err), S3E_E_NOTFOUND, &err);
        s3e_buf_free(&got);
        s3e_store_unref(store);
        scripted_deinit(&s);
    }
}

static void test_many_known_keys(void)
{
    enum { NUM = 200 };
    struct scripted_object *objects = make_many();
    const char *names[NUM];
    struct scripted s = {
        .objects = objects, .num_objects = MANY, .answer_ms = 1};
    struct s3e_buf got = S3E_BUF(65536);
    struct s3e_list *list = NULL;
    struct s3e_span key;
    struct s3e_err err;
    for (int i = 0; i < NUM; i++) {
        names[i] = objects[(i * 7) % NUM].key;
    }
    scripted_init(&s);
    struct s3e_store *store = open_store(&s);
    CHECK_RC(keys_into(&got, store, names, NUM, &err), S3E_OK, &err);
    for (size_t i = 0; i < NUM; i++) {
        CHECK_SPAN(((struct s3e_span){got.ptr + 7 * i, 6}), objects[i].key);
    }
    /* Freed with 64 on the way. */
    key = s3e_span_str(names[0]);
    CHECK_RC(s3e_list_new_keys(&list, store, &key, 1, &err), S3E_OK, &err);
    s3e_list_free(list);
    s3e_buf_free(&got);
    s3e_store_unref(store);
    scripted_deinit(&s);
    free_many(objects);
}

/* ---- faults ---- */

/* What a retry, or the other region, mends. */
static bool heals(enum fault fault)
{
    return (fault >= FAULT_REFUSED && fault <= FAULT_TRUNCATED) ||
           fault == FAULT_500 || fault == FAULT_503 || fault == FAULT_REGION ||
           fault == FAULT_CUT_XML || fault == FAULT_ERROR_200;
}

/* Each fault at request k, once and for ever, until a run meets none: the right
 * rows, or an error that names the bucket. */
static void sweep_faults(bool keys)
{
    static const char *const names[] = {"a", "a/b", "b", "d", "zz"};
    static const char want_all[] =
        "a|a b+%?#&=\xc3\xa9|a/|a/b|a/c/d|b|b\xf0\x9f\x98\x80|c/x|d|";
    const char *want = keys ? "a|a/b|b|d|" : want_all;
    const struct s3e_list_args args = {.ordered = true};
    for (unsigned f = FAULT_NONE + 1; f < 2 * NUM_FAULTS; f++) {
        struct scripted s = {.objects = g_objects,
            .num_objects = NUM_OBJECTS,
            .page_keys = 4,
            .answer_ms = -1,
            .fault = (enum fault)(f % NUM_FAULTS),
            .for_ever = f > NUM_FAULTS};
        unsigned failed = 0, k = 0;
        in_case(fault_name(s.fault));
        scripted_init(&s);
        do {
            struct s3e_buf got = S3E_BUF(65536);
            struct s3e_err err;
            struct s3e_store *store = open_store(&s);
            scripted_again(&s);
            s.fault_at = ++k;
            const s3e_rc rc = keys ? keys_into(&got, store, names, 5, &err)
                                   : list_into(&got, store, &args, &err);
            if (rc) {
                CHECK(s.for_ever || !heals(s.fault));
                failed++;
                CHECK(strncmp(err.msg, "s3://bucket/", 12) == 0);
                CHECK(!strstr(err.msg, "secret") &&
                      !strstr(err.msg, "Signature="));
            } else if (!keys ||
                       (s.fault != FAULT_404 && s.fault != FAULT_ERROR_200)) {
                /* A HEAD that says 404 or 200 is believed. */
                CHECK_SPAN(s3e_buf_span(&got), want);
            }
            s3e_buf_free(&got);
            s3e_store_unref(store);
        } while (s.num_faults && k < 50);
        CHECK(k < 50);
        CHECK(failed > 0 || !s.for_ever || s.fault == FAULT_NONE ||
              s.fault == FAULT_404 || keys);
        scripted_deinit(&s);
    }
    in_case(NULL);
}

/* ---- allocations ---- */

struct sweep {
    struct s3e_store *store;
    struct scripted *scripted;
    bool keys;
};

static s3e_rc sweep_body(void *ctx)
{
    static const char *const names[] = {"a", "b", "zz"};
    static const struct s3e_list_args args = {.ordered = true};
    const struct sweep *sweep = ctx;
    struct s3e_buf got = S3E_BUF(65536);
    struct s3e_err err;
    const s3e_rc rc = sweep->keys
                          ? keys_into(&got, sweep->store, names, 3, &err)
                          : list_into(&got, sweep->store, &args, &err);
    if (!rc) {
        CHECK_SPAN(s3e_buf_span(&got),
            sweep->keys
                ? "a|b|"
                : "a|a "
                  "b+%?#&=\xc3\xa9|a/|a/b|a/c/d|b|b\xf0\x9f\x98\x80|c/x|d|");
    }
    s3e_buf_free(&got);
    scripted_again(sweep->scripted);
    return rc;
}

static void test_allocations(void)
{
    struct scripted s = {.objects = g_objects,
        .num_objects = NUM_OBJECTS,
        .page_keys = 4,
        .answer_ms = -1};
    scripted_init(&s);
    struct s3e_store *store = open_store(&s);
    sweep_allocations(sweep_body, &(struct sweep){store, &s, false});
    sweep_allocations(sweep_body, &(struct sweep){store, &s, true});
    s3e_store_unref(store);
    scripted_deinit(&s);
}

int main(void)
{
    count_allocations();
    test_rows();
    test_one_page_ahead();
    test_without_waiting();
    test_stop();
    test_stores_that_lie();
    test_known_keys();
    test_many_known_keys();
    sweep_faults(false);
    sweep_faults(true);
    test_allocations();
    CHECK(live_allocations() == 0);
    return 0;
}
