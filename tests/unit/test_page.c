#include "s3vfs/page.h"
#include "tests/harness.h"

#include "base/mem.h"

static s3e_rc build(void *ctx)
{
    const int num = *(const int *)ctx;
    struct s3e_err err;
    struct s3e_page *page = NULL;
    struct s3e_page_builder b = s3e_page_builder_zero();
    for (int i = 0; i < num; i++) {
        char key[20];
        (void)snprintf(key, sizeof key, "k%05d", i);
        s3e_page_add_object(&b, &(struct s3e_object){.key = s3e_span_str(key),
                                    .etag = S3E_LIT("e"),
                                    .size = i,
                                    .last_modified = -1});
        s3e_page_add_folder(&b, S3E_LIT("f/"));
    }
    s3e_page_add_meta(&b, S3E_LIT("name"), S3E_LIT("value"));
    s3e_page_set_next_token(&b, S3E_LIT("token"));
    s3e_page_set_content_type(&b, S3E_LIT("image/jpeg"));
    b.more = true;
    const s3e_rc rc = s3e_page_finish(&page, &b, &err);
    s3e_page_builder_deinit(&b);
    if (rc == S3E_OK) {
        CHECK(page->num_objects == (size_t)num);
        CHECK(page->num_folders == (size_t)num);
        for (int i = 0; i < num; i++) {
            char key[20];
            (void)snprintf(key, sizeof key, "k%05d", i);
            CHECK_SPAN(page->objects[i].key, key);
            CHECK_SPAN(page->objects[i].etag, "e");
            CHECK_SPAN(page->objects[i].storage_class, "");
            CHECK(page->objects[i].size == i);
            CHECK_SPAN(page->folders[i], "f/");
        }
        CHECK(page->num_meta == 1);
        CHECK_SPAN(page->meta[0].name, "name");
        CHECK_SPAN(page->meta[0].value, "value");
        CHECK_SPAN(page->next_token, "token");
        CHECK_SPAN(page->content_type, "image/jpeg");
        CHECK(page->more);
        s3e_page_unref(s3e_page_ref(page));
    }
    s3e_page_unref(page);
    return rc;
}

static void an_empty_page_is_a_page(void)
{
    struct s3e_err err;
    struct s3e_page *page = NULL;
    struct s3e_page_builder b = s3e_page_builder_zero();
    CHECK_RC(s3e_page_finish(&page, &b, &err), S3E_OK, &err);
    CHECK(page->num_objects == 0 && !page->more);
    CHECK_SPAN(page->next_token, "");
    s3e_page_unref(page);
    s3e_page_builder_deinit(&b);
}

static void etags_lose_their_quotes(void)
{
    CHECK_SPAN(s3e_etag_bare(S3E_LIT("\"abc-2\"")), "abc-2");
    CHECK_SPAN(s3e_etag_bare(S3E_LIT("abc")), "abc");
    CHECK_SPAN(s3e_etag_bare(S3E_LIT("\"")), "\"");
    CHECK_SPAN(s3e_etag_bare(S3E_LIT("\"\"")), "");
}

int main(void)
{
    count_allocations();
    an_empty_page_is_a_page();
    etags_lose_their_quotes();
    int num = S3E_PAGE_ROWS_MAX;
    CHECK(build(&num) == S3E_OK);
    num++;
    CHECK(build(&num) == S3E_E_LIMIT);
    num = 50;
    sweep_allocations(build, &num);
    CHECK(live_allocations() == 0);
    return 0;
}
