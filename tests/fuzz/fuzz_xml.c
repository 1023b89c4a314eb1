/* An answer of a store: whatever it is, it ends as a page that is whole or as a
 * sentence. */
#include "s3vfs/xml.h"
#include "tests/harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void touch(struct s3e_span span)
{
    unsigned sum = 0;
    for (size_t i = 0; i < span.len; i++) {
        sum += span.ptr[i];
    }
    CHECK(sum <= 255 * span.len);
}

static void check_page(struct s3e_page *page)
{
    CHECK(page->num_objects <= S3E_PAGE_ROWS_MAX);
    CHECK(page->num_folders <= S3E_PAGE_ROWS_MAX);
    for (size_t i = 0; i < page->num_objects; i++) {
        const struct s3e_object *o = &page->objects[i];
        CHECK(o->size >= -1);
        CHECK(!memchr(o->key.ptr, '\0', o->key.len));
        touch(o->key);
        touch(o->etag);
        touch(o->storage_class);
    }
    for (size_t i = 0; i < page->num_folders; i++) {
        touch(page->folders[i]);
    }
    touch(page->next_token);
    CHECK(!page->more || page->next_token.len);
    s3e_page_unref(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct s3e_err err = {.msg = ""};
    struct s3e_xml_error error;
    struct s3e_page *page = NULL;
    const struct s3e_span xml = {data, len};
    if (s3e_xml_list(&page, xml, &err) == S3E_OK) {
        check_page(page);
    } else {
        CHECK(err.msg[0]);
    }
    if (s3e_xml_buckets(&page, xml, &err) == S3E_OK) {
        check_page(page);
    }
    if (s3e_xml_error(&error, xml, &err) == S3E_OK) {
        CHECK(strlen(error.message) < sizeof error.message);
        CHECK(!strpbrk(error.message, "\n\r\x7f"));
    }
    return 0;
}
