/* dir_store.c and walk.c: a folder gives the rows that S3 would of the same
 * files, by the same operations. */
#include "base/mem.h"
#include "s3vfs/list.h"
#include "s3vfs/uri.h"
#include "s3vfs/walk.h"
#include "tests/harness.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char g_folder[64];

static void path_of(char out[512], const char *name)
{
    (void)snprintf(out, 512, "%s/%s", g_folder, name);
}

static void make_folder(const char *name)
{
    char path[512];
    path_of(path, name);
    CHECK(mkdir(path, 0755) == 0);
}

static void write_file(const char *name, const char *text)
{
    char path[512];
    path_of(path, name);
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    CHECK(fputs(text, file) >= 0);
    CHECK(fclose(file) == 0);
}

static void make_link(const char *name, const char *target)
{
    char path[512];
    path_of(path, name);
    CHECK(symlink(target, path) == 0);
}

static int unlink_one(
    const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static struct s3e_store *open_store(void)
{
    struct s3e_target target = {.scheme = S3E_SCHEME_FILE, .bucket = g_folder};
    struct s3e_store *store = NULL;
    struct s3e_err err;
    CHECK_RC(s3e_store_open(&store, &target, NULL, &err), S3E_OK, &err);
    return store;
}

static s3e_rc read_all(struct s3e_buf *out, struct s3e_list *list, bool folders,
    struct s3e_err *err)
{
    for (;;) {
        struct s3e_list_row row = {0};
        struct s3e_span text = {0};
        const s3e_rc rc =
            folders ? s3e_list_next_folder(list, &text, NULL, NULL, err)
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

static void check_list(const struct s3e_list_args *args, const char *want)
{
    struct s3e_store *store = open_store();
    struct s3e_list *list = NULL;
    struct s3e_buf got = S3E_BUF(1 << 20);
    struct s3e_err err;
    CHECK_RC(s3e_list_new(&list, store, args, &err), S3E_OK, &err);
    CHECK_RC(read_all(&got, list, args->delimiter.len > 0, &err), S3E_OK, &err);
    CHECK_SPAN(s3e_buf_span(&got), want);
    s3e_list_free(list);
    s3e_buf_free(&got);
    s3e_store_unref(store);
}

/* Pages of every size must give what one page gives. */
static void check_pages(const char *prefix, const char *want)
{
    struct s3e_store *store = open_store();
    for (unsigned max_keys = 1; max_keys < 20; max_keys++) {
        struct s3e_buf got = S3E_BUF(1 << 20), token = S3E_BUF(4096);
        struct s3e_err err;
        bool more = true;
        while (more) {
            struct s3e_op op = {.in = {.kind = S3E_OP_LIST,
                                    .prefix = s3e_span_str(prefix),
                                    .token = s3e_buf_span(&token),
                                    .max_keys = max_keys}};
            CHECK_RC(s3e_store_run(store, &op, NULL, NULL, &err), S3E_OK, &err);
            const struct s3e_page *page = op.out.page;
            CHECK(page->num_objects <= max_keys);
            CHECK(page->num_objects > 0 || !page->more);
            for (size_t i = 0; i < page->num_objects; i++) {
                s3e_buf_add(&got, page->objects[i].key);
                s3e_buf_add_byte(&got, '|');
            }
            more = page->more;
            s3e_buf_clear(&token);
            s3e_buf_add(&token, page->next_token);
            s3e_op_reset(&op);
        }
        CHECK_SPAN(s3e_buf_span(&got), want);
        s3e_buf_free(&got);
        s3e_buf_free(&token);
    }
    s3e_store_unref(store);
}

static void make_tree(void)
{
    make_folder("a");
    make_folder("a/deep");
    make_folder("a-b");
    make_folder("empty");
    make_folder("z");
    write_file("a.txt", "1");
    write_file("a/1.jpg", "22");
    write_file("a/deep/x", "333");
    write_file("a/deep.txt", "4444");
    write_file("a-b/1.jpg", "55555");
    write_file("a0", "666666");
    write_file("B", "7777777");
    write_file("\xc3\xa9", "88888888");
    write_file(".hidden", "9");
    write_file("z/with space+%?#", "0");
    make_link("link", "a.txt");
    make_link("z/up", "..");         /* a circle: not walked into */
    make_link("nowhere", "no/such"); /* no file */
    make_link("y", "a/deep");        /* a folder that is no circle */
    char path[512];
    path_of(path, "fifo");
    CHECK(mkfifo(path, 0644) == 0);
}

static const char g_all[] = ".hidden|B|a-b/1.jpg|a.txt|a/1.jpg|a/deep.txt|"
                            "a/deep/x|a0|link|y/x|z/with space+%?#|\xc3\xa9|";

static void test_keys_come_in_order_of_bytes(void)
{
    check_list(&(struct s3e_list_args){.ordered = true}, g_all);
    check_pages("", g_all);
    check_pages("a/", "a/1.jpg|a/deep.txt|a/deep/x|");
}

static void test_bounds(void)
{
    static const struct {
        const char *prefix, *after, *from, *delimiter, *want;
    } cases[] = {
        {"a", "", "", "", "a-b/1.jpg|a.txt|a/1.jpg|a/deep.txt|a/deep/x|a0|"},
        {"a/", "", "", "", "a/1.jpg|a/deep.txt|a/deep/x|"},
        {"a/deep", "", "", "", "a/deep.txt|a/deep/x|"},
        {"a/deep/x", "", "", "", "a/deep/x|"},
        {"a/deep/xx", "", "", "", ""},
        {"nope/", "", "", "", ""},
        {"", "a/deep.txt", "", "",
            "a/deep/x|a0|link|y/x|z/with space+%?#|\xc3\xa9|"},
        {"", "a/", "", "",
            "a/1.jpg|a/deep.txt|a/deep/x|a0|link|y/x|z/with "
            "space+%?#|\xc3\xa9|"},
        {"", "", "a/deep/x", "",
            "a/deep/x|a0|link|y/x|z/with space+%?#|\xc3\xa9|"},
        {"a/", "b", "", "", ""},
        {"", "", "", "/", "a-b/|a/|empty/|y/|z/|"},
        {"a", "", "", "/", "a-b/|a/|"},
        {"a/", "", "", "/", "a/deep/|"},
        {"a/deep", "", "", "/", "a/deep/|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        in_case(cases[i].want);
        check_list(
            &(struct s3e_list_args){.prefix = s3e_span_str(cases[i].prefix),
                .start_after = s3e_span_str(cases[i].after),
                .from = s3e_span_str(cases[i].from),
                .delimiter = s3e_span_str(cases[i].delimiter),
                .ordered = true},
            cases[i].want);
    }
    in_case(NULL);
}

static s3e_rc get(struct s3e_op *op, const char *key, struct s3e_err *err)
{
    struct s3e_store *store = open_store();
    op->in.key = s3e_span_str(key);
    const s3e_rc rc = s3e_store_run(store, op, NULL, NULL, err);
    s3e_store_unref(store);
    return rc;
}

static void check_get(const char *key, const char *want)
{
    struct s3e_op op = {.in = {.kind = S3E_OP_GET}};
    struct s3e_err err;
    CHECK_RC(get(&op, key, &err), S3E_OK, &err);
    CHECK_SPAN(s3e_blob_span(op.out.blob), want);
    s3e_op_reset(&op);
}

static void test_get(void)
{
    static const struct {
        const char *key;
        s3e_rc rc;
    } refused[] = {
        {"nope", S3E_E_NOTFOUND},
        {"a", S3E_E_NOTFOUND},
        {"a/", S3E_E_NOTFOUND},
        {"a//1.jpg", S3E_E_NOTFOUND},
        {"./a.txt", S3E_E_NOTFOUND},
        {"a.txt/x", S3E_E_NOTFOUND},
        {"nowhere", S3E_E_NOTFOUND},
        {"fifo", S3E_E_NOTFOUND},
        {"", S3E_E_NOTFOUND},
        {"../etc/passwd", S3E_E_INPUT},
        {"a/../../etc/passwd", S3E_E_INPUT},
        {"a/..", S3E_E_INPUT},
        {"..", S3E_E_INPUT},
        {"/etc/passwd", S3E_E_INPUT},
    };
    check_get("a/deep/x", "333");
    check_get("link", "1");
    check_get("z/with space+%?#", "0");
    write_file("nothing", "");
    check_get("nothing", "");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct s3e_op op = {.in = {.kind = S3E_OP_GET}};
        struct s3e_err err;
        in_case(refused[i].key);
        CHECK_RC(get(&op, refused[i].key, &err), refused[i].rc, &err);
        CHECK(strstr(err.msg, g_folder) && !op.out.blob);
    }
    in_case(NULL);
    struct s3e_op nul = {
        .in = {.kind = S3E_OP_GET, .key = {(const uint8_t *)"a.txt\0x", 7}}};
    struct s3e_err err;
    struct s3e_store *store = open_store();
    CHECK_RC(s3e_store_run(store, &nul, NULL, NULL, &err), S3E_E_INPUT, &err);
    nul.in.kind = S3E_OP_BUCKETS;
    CHECK_RC(s3e_store_run(store, &nul, NULL, NULL, &err), S3E_E_INPUT, &err);
    s3e_store_unref(store);
}

static void test_ranges_and_limits(void)
{
    static const struct {
        uint64_t offset, length, max;
        s3e_rc rc;
        const char *want;
    } cases[] = {
        {0, 3, 0, S3E_OK, "012"},
        {7, 3, 0, S3E_OK, "789"},
        {7, 100, 0, S3E_OK, "789"},
        {9, UINT64_MAX, 0, S3E_OK, "9"},
        {10, 1, 0, S3E_E_RANGE, ""},
        {UINT64_MAX, 1, 0, S3E_E_RANGE, ""},
        {0, 0, 10, S3E_OK, "0123456789"},
        {0, 0, 9, S3E_E_LIMIT, ""},
        {0, 9, 9, S3E_OK, "012345678"},
    };
    write_file("ten", "0123456789");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_op op = {.in = {.kind = S3E_OP_GET,
                                .offset = cases[i].offset,
                                .length = cases[i].length,
                                .max_bytes = cases[i].max}};
        struct s3e_err err;
        CHECK_RC(get(&op, "ten", &err), cases[i].rc, &err);
        CHECK_SPAN(s3e_blob_span(op.out.blob), cases[i].want);
        s3e_op_reset(&op);
    }
}

static void test_a_file_that_changed_is_told(void)
{
    struct s3e_op head = {.in = {.kind = S3E_OP_HEAD}};
    struct s3e_op op = {.in = {.kind = S3E_OP_GET}};
    struct s3e_err err;
    write_file("changes", "before");
    CHECK_RC(get(&head, "changes", &err), S3E_OK, &err);
    const struct s3e_object *object = &head.out.page->objects[0];
    CHECK_SPAN(object->key, "changes");
    CHECK(object->size == 6 && object->last_modified > 1600000000);
    CHECK(object->etag.len > 0);
    op.in.etag = object->etag;
    CHECK_RC(get(&op, "changes", &err), S3E_OK, &err);
    s3e_op_reset(&op);
    write_file("changes", "afterwards");
    CHECK_RC(get(&op, "changes", &err), S3E_E_CHANGED, &err);
    s3e_op_reset(&op);
    s3e_op_reset(&head);
}

static void test_open(void)
{
    struct s3e_target target = {
        .scheme = S3E_SCHEME_FILE, .bucket = (char *)(uintptr_t) "/no/such"};
    struct s3e_store *store = NULL;
    struct s3e_buf uri = S3E_BUF(4096);
    struct s3e_err err;
    char want[128];
    CHECK_RC(s3e_store_open(&store, &target, NULL, &err), S3E_E_NOTFOUND, &err);
    CHECK(strstr(err.msg, "/no/such"));
    store = open_store();
    CHECK(!store->kind->remote);
    CHECK_STR(store->kind->scheme, "file");
    store->kind->uri(store, &uri, S3E_LIT("a/b c"));
    (void)snprintf(want, sizeof want, "file://%s/a/b c", g_folder);
    CHECK_SPAN(s3e_buf_span(&uri), want);
    s3e_buf_free(&uri);
    s3e_store_unref(store);
}

/* More folders than a page gathers entries of one, most of them empty. */
static void test_many_folders(void)
{
    enum { NUM = 60 };
    struct s3e_buf want = S3E_BUF(65536);
    char name[64];
    make_folder("many");
    for (int i = 0; i < NUM; i++) {
        (void)snprintf(name, sizeof name, "many/%03d", i);
        make_folder(name);
        if (i % 9 == 0) {
            (void)snprintf(name, sizeof name, "many/%03d/f", i);
            write_file(name, "x");
            s3e_buf_add_str(&want, name);
            s3e_buf_add_byte(&want, '|');
        }
    }
    char *text = s3e_buf_take(&want);
    check_pages("many/", text);
    s3e_free(text);
}

static void test_too_deep(void)
{
    char path[2 * S3E_WALK_DEPTH_MAX + 4] = "";
    struct s3e_store *store = open_store();
    struct s3e_list_args args = {.prefix = S3E_LIT("q/")};
    struct s3e_list *list = NULL;
    struct s3e_buf got = S3E_BUF(65536);
    struct s3e_err err;
    for (int i = 0; i <= S3E_WALK_DEPTH_MAX; i++) {
        memcpy(path + 2 * i, "q/", 2);
        make_folder(path);
    }
    CHECK_RC(s3e_list_new(&list, store, &args, &err), S3E_OK, &err);
    CHECK_RC(read_all(&got, list, false, &err), S3E_E_LIMIT, &err);
    s3e_list_free(list);
    s3e_buf_free(&got);
    s3e_store_unref(store);
}

static void set_mode(const char *name, mode_t mode)
{
    char path[512];
    path_of(path, name);
    CHECK(chmod(path, mode) == 0);
}

/* Root may enter any folder: then it is tried as somebody else. */
static void test_closed_folders_are_left_out(void)
{
    const uid_t me = geteuid();
    make_folder("closed");
    make_folder("closed/all");
    make_folder("closed/enter");
    write_file("closed/all/f", "x");
    write_file("closed/enter/f", "x");
    write_file("closed/z", "x");
    set_mode("", 0755);
    set_mode("closed/all", 0);
    set_mode("closed/enter", 0444);
    CHECK(me != 0 || seteuid(65534) == 0);
    check_pages("closed/", "closed/z|");
    CHECK(seteuid(me) == 0);
    set_mode("closed/all", 0755);
    set_mode("closed/enter", 0755);
}

static s3e_rc sweep_body(void *ctx)
{
    struct s3e_target target = {.scheme = S3E_SCHEME_FILE, .bucket = g_folder};
    struct s3e_store *store = NULL;
    struct s3e_err err;
    s3e_rc rc = s3e_store_open(&store, &target, NULL, &err);
    for (enum s3e_op_kind kind = S3E_OP_LIST; kind <= S3E_OP_GET && !rc;
         kind++) {
        struct s3e_op op = {.in = {.kind = kind, .key = S3E_LIT("a/deep/x")}};
        if (kind != S3E_OP_BUCKETS) {
            rc = s3e_store_run(store, &op, NULL, NULL, &err);
        }
        s3e_op_reset(&op);
    }
    s3e_store_unref(store);
    (void)ctx;
    return rc;
}

int main(void)
{
    count_allocations();
    (void)snprintf(g_folder, sizeof g_folder, "/tmp/s3e-dir-XXXXXX");
    CHECK(mkdtemp(g_folder) != NULL);
    make_tree();
    test_keys_come_in_order_of_bytes();
    test_bounds();
    sweep_allocations(sweep_body, NULL);
    test_get();
    test_ranges_and_limits();
    test_a_file_that_changed_is_told();
    test_open();
    test_many_folders();
    test_too_deep();
    test_closed_folders_are_left_out();
    CHECK(nftw(g_folder, unlink_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
    CHECK(live_allocations() == 0);
    return 0;
}
