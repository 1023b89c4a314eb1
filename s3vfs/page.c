#include "s3vfs/page.h"

#include "base/mem.h"

/* Rows while they are added: text as offsets, since the block may move. */
struct object_row {
    struct s3e_page_piece key, etag, storage_class;
    int64_t size, last_modified;
};

struct folder_row {
    struct s3e_page_piece path;
};

struct meta_row {
    struct s3e_page_piece name, value;
};

struct s3e_page_builder s3e_page_builder_zero(void)
{
    return (struct s3e_page_builder){
        .text = S3E_BUF(S3E_PAGE_TEXT_MAX),
        .objects = S3E_BUF(S3E_PAGE_ROWS_MAX * sizeof(struct object_row)),
        .folders = S3E_BUF(S3E_PAGE_ROWS_MAX * sizeof(struct folder_row)),
        .meta = S3E_BUF(S3E_PAGE_ROWS_MAX * sizeof(struct meta_row)),
    };
}

static struct s3e_page_piece add_text(
    struct s3e_page_builder *b, struct s3e_span text)
{
    const struct s3e_page_piece piece = {b->text.len, text.len};
    s3e_buf_add(&b->text, text);
    return piece;
}

static void add_row(struct s3e_buf *rows, const void *row, size_t size)
{
    s3e_buf_add(rows, (struct s3e_span){row, size});
}

void s3e_page_add_object(
    struct s3e_page_builder *b, const struct s3e_object *object)
{
    const struct object_row row = {add_text(b, object->key),
        add_text(b, object->etag), add_text(b, object->storage_class),
        object->size, object->last_modified};
    add_row(&b->objects, &row, sizeof row);
}

void s3e_page_add_folder(struct s3e_page_builder *b, struct s3e_span folder)
{
    const struct folder_row row = {add_text(b, folder)};
    add_row(&b->folders, &row, sizeof row);
}

void s3e_page_add_meta(
    struct s3e_page_builder *b, struct s3e_span name, struct s3e_span value)
{
    const struct meta_row row = {add_text(b, name), add_text(b, value)};
    add_row(&b->meta, &row, sizeof row);
}

void s3e_page_set_next_token(struct s3e_page_builder *b, struct s3e_span token)
{
    b->next_token = add_text(b, token);
}

void s3e_page_set_content_type(struct s3e_page_builder *b, struct s3e_span type)
{
    b->content_type = add_text(b, type);
}

static s3e_rc check(const struct s3e_page_builder *b, struct s3e_err *err)
{
    enum { PARTS = 4 };
    const struct s3e_buf *const parts[PARTS] = {
        &b->objects, &b->folders, &b->meta, &b->text};
    s3e_rc rc = S3E_OK;
    for (size_t i = 0; rc == S3E_OK && i < PARTS; i++) {
        rc = s3e_buf_check(parts[i], "page of a listing", err);
    }
    return rc;
}

/* The value of a hex digit, -1 for another byte. */
static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes in place: the text never grows. */
static bool decode_piece(uint8_t *text, struct s3e_page_piece *piece)
{
    uint8_t *const begin = text + piece->at;
    size_t out = 0;
    for (size_t i = 0; i < piece->len; i++) {
        uint8_t c = begin[i] == '+' ? ' ' : begin[i];
        if (c == '%') {
            const int high = piece->len - i > 2 ? hex_value(begin[i + 1]) : -1;
            const int low = piece->len - i > 2 ? hex_value(begin[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (uint8_t)(16 * high + low);
            i += 2;
        }
        if (c == '\0') {
            return false;
        }
        begin[out++] = c;
    }
    piece->len = out;
    return true;
}

s3e_rc s3e_page_decode_url(struct s3e_page_builder *b, struct s3e_err *err)
{
    const s3e_rc rc = check(b, err);
    if (rc) {
        return rc;
    }
    struct object_row *objects = (void *)b->objects.ptr;
    struct folder_row *folders = (void *)b->folders.ptr;
    bool well = true;
    for (size_t i = 0; i < b->objects.len / sizeof *objects; i++) {
        well = decode_piece(b->text.ptr, &objects[i].key) && well;
    }
    for (size_t i = 0; i < b->folders.len / sizeof *folders; i++) {
        well = decode_piece(b->text.ptr, &folders[i].path) && well;
    }
    return well ? S3E_OK
                : s3e_fail(err, S3E_E_FORMAT,
                      "a key of the listing is not percent-encoded, though "
                      "the store says so");
}

static struct s3e_span piece_span(
    const uint8_t *text, struct s3e_page_piece piece)
{
    return (struct s3e_span){text + piece.at, piece.len};
}

static void copy_objects(struct s3e_object *to,
    const struct s3e_page_builder *b, size_t count, const uint8_t *text)
{
    const struct object_row *rows = (const void *)b->objects.ptr;
    for (size_t i = 0; i < count; i++) {
        to[i] = (struct s3e_object){
            .key = piece_span(text, rows[i].key),
            .etag = piece_span(text, rows[i].etag),
            .storage_class = piece_span(text, rows[i].storage_class),
            .size = rows[i].size,
            .last_modified = rows[i].last_modified,
        };
    }
}

static void copy_folders(struct s3e_span *to, const struct s3e_page_builder *b,
    size_t count, const uint8_t *text)
{
    const struct folder_row *rows = (const void *)b->folders.ptr;
    for (size_t i = 0; i < count; i++) {
        to[i] = piece_span(text, rows[i].path);
    }
}

static void copy_meta(struct s3e_meta *to, const struct s3e_page_builder *b,
    size_t count, const uint8_t *text)
{
    const struct meta_row *rows = (const void *)b->meta.ptr;
    for (size_t i = 0; i < count; i++) {
        to[i].name = piece_span(text, rows[i].name);
        to[i].value = piece_span(text, rows[i].value);
    }
}

s3e_rc s3e_page_finish(struct s3e_page **out, const struct s3e_page_builder *b,
    struct s3e_err *err)
{
    const s3e_rc rc = check(b, err);
    if (rc) {
        return rc;
    }
    const size_t num_objects = b->objects.len / sizeof(struct object_row);
    const size_t num_folders = b->folders.len / sizeof(struct folder_row);
    const size_t num_meta = b->meta.len / sizeof(struct meta_row);

    /* No sum or product of these overflows: each part has its cap. */
    const size_t bytes = sizeof(struct s3e_page) +
                         num_objects * sizeof(struct s3e_object) +
                         num_folders * sizeof(struct s3e_span) +
                         num_meta * sizeof(struct s3e_meta) + b->text.len;
    struct s3e_page *page = s3e_zalloc_array(bytes, 1);
    if (!page) {
        return s3e_fail(
            err, S3E_E_NOMEM, "no memory for a page of %zu bytes", bytes);
    }
    page->objects = (void *)(page + 1);
    page->folders = (void *)(page->objects + num_objects);
    page->meta = (void *)(page->folders + num_folders);
    uint8_t *text = (void *)(page->meta + num_meta);
    if (b->text.len) {
        memcpy(text, b->text.ptr, b->text.len);
    }
    page->num_objects = num_objects;
    page->num_folders = num_folders;
    page->num_meta = num_meta;
    copy_objects(page->objects, b, num_objects, text);
    copy_folders(page->folders, b, num_folders, text);
    copy_meta(page->meta, b, num_meta, text);
    page->next_token = piece_span(text, b->next_token);
    page->content_type = piece_span(text, b->content_type);
    page->more = b->more;
    atomic_init(&page->refs, 1);
    *out = page;
    return S3E_OK;
}

void s3e_page_builder_deinit(struct s3e_page_builder *b)
{
    s3e_buf_free(&b->text);
    s3e_buf_free(&b->objects);
    s3e_buf_free(&b->folders);
    s3e_buf_free(&b->meta);
}

struct s3e_page *s3e_page_ref(struct s3e_page *page)
{
    atomic_fetch_add_explicit(&page->refs, 1, memory_order_relaxed);
    return page;
}

void s3e_page_unref(struct s3e_page *page)
{
    if (page &&
        atomic_fetch_sub_explicit(&page->refs, 1, memory_order_acq_rel) == 1) {
        s3e_free(page);
    }
}

struct s3e_span s3e_etag_bare(struct s3e_span etag)
{
    if (etag.len >= 2 && etag.ptr[0] == '"' && etag.ptr[etag.len - 1] == '"') {
        return (struct s3e_span){etag.ptr + 1, etag.len - 2};
    }
    return etag;
}
