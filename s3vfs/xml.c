#include "s3vfs/xml.h"

#include "base/clock.h"
#include "base/mem.h"

#include <expat.h>

enum {
    DOCUMENT_MAX = 64 * 1024 * 1024,
    DEPTH_MAX = 16,
    PATH_MAX_LEN = 512,
    TEXT_MAX = 16 * 1024
};

/* One document on its way. Handlers of expat cannot fail: they set `rc` and
 * stop the parser. */
struct parse {
    XML_Parser expat;
    const char *root;
    const struct field *fields;
    size_t num_fields;
    struct s3e_buf path; /* "/ListBucketResult/Contents/Key" */
    struct s3e_buf text; /* of the innermost element */
    int depth;
    s3e_rc rc;
    struct s3e_err *err;

    struct s3e_page_builder page;
    struct {
        struct s3e_buf key, etag, storage_class;
        int64_t size, last_modified;
    } object; /* the one being read */
    bool url_encoded;
    struct s3e_xml_error *error;
};

/* What is done with the text of the elements at `path`, at their end. */
struct field {
    const char *path;
    void (*set)(struct parse *p, struct s3e_span text);
};

static void stop(struct parse *p, s3e_rc rc, const char *why)
{
    if (p->rc == S3E_OK) {
        p->rc = s3e_fail(p->err, rc, "answer of the store: %s", why);
    }
    (void)XML_StopParser(p->expat, XML_FALSE);
}

/* ---- Objects and buckets ---- */

static void set_key(struct parse *p, struct s3e_span text)
{
    s3e_buf_clear(&p->object.key);
    s3e_buf_add(&p->object.key, text);
}

static void set_etag(struct parse *p, struct s3e_span text)
{
    s3e_buf_clear(&p->object.etag);
    s3e_buf_add(&p->object.etag, s3e_etag_bare(text));
}

static void set_storage_class(struct parse *p, struct s3e_span text)
{
    s3e_buf_clear(&p->object.storage_class);
    s3e_buf_add(&p->object.storage_class, text);
}

static void set_size(struct parse *p, struct s3e_span text)
{
    enum { DIGITS_MAX = 18 }; /* fits in 63 bits */
    int64_t size = 0;
    bool well = text.len > 0 && text.len <= DIGITS_MAX;
    for (size_t i = 0; well && i < text.len; i++) {
        well = text.ptr[i] >= '0' && text.ptr[i] <= '9';
        size = 10 * size + (text.ptr[i] - '0');
    }
    if (!well) {
        stop(p, S3E_E_FORMAT, "the size of an object is not a number");
    }
    p->object.size = size;
}

static void set_last_modified(struct parse *p, struct s3e_span text)
{
    if (!s3e_time_parse_iso(
            &p->object.last_modified, (const char *)text.ptr, text.len)) {
        p->object.last_modified = -1;
    }
}

static void begin_object(struct parse *p)
{
    s3e_buf_clear(&p->object.key);
    s3e_buf_clear(&p->object.etag);
    s3e_buf_clear(&p->object.storage_class);
    p->object.size = -1;
    p->object.last_modified = -1;
}

static void add_object(struct parse *p, struct s3e_span default_class)
{
    if (p->object.key.rc || p->object.etag.rc || p->object.storage_class.rc) {
        stop(p, S3E_E_NOMEM, "no memory for an object of a listing");
    }
    const struct s3e_object object = {
        .key = s3e_buf_span(&p->object.key),
        .etag = s3e_buf_span(&p->object.etag),
        .storage_class = p->object.storage_class.len
                             ? s3e_buf_span(&p->object.storage_class)
                             : default_class,
        .size = p->object.size,
        .last_modified = p->object.last_modified,
    };
    if (object.key.len == 0) {
        stop(p, S3E_E_FORMAT, "an object without a key");
    }
    s3e_page_add_object(&p->page, &object);
    begin_object(p);
}

static void end_listed(struct parse *p, struct s3e_span text)
{
    (void)text;
    add_object(p, S3E_LIT("STANDARD"));
}

static void end_bucket(struct parse *p, struct s3e_span text)
{
    (void)text;
    add_object(p, S3E_LIT(""));
}

static void add_folder(struct parse *p, struct s3e_span text)
{
    s3e_page_add_folder(&p->page, text);
}

static void set_more(struct parse *p, struct s3e_span text)
{
    p->page.more = s3e_span_eq(text, S3E_LIT("true"));
}

static void set_token(struct parse *p, struct s3e_span text)
{
    s3e_page_set_next_token(&p->page, text);
}

static void set_bucket_token(struct parse *p, struct s3e_span text)
{
    s3e_page_set_next_token(&p->page, text);
    p->page.more = text.len > 0;
}

static void set_encoding(struct parse *p, struct s3e_span text)
{
    p->url_encoded = s3e_span_eq(text, S3E_LIT("url"));
}

static const struct field list_fields[] = {
    {"/ListBucketResult/Contents/Key", set_key},
    {"/ListBucketResult/Contents/ETag", set_etag},
    {"/ListBucketResult/Contents/Size", set_size},
    {"/ListBucketResult/Contents/LastModified", set_last_modified},
    {"/ListBucketResult/Contents/StorageClass", set_storage_class},
    {"/ListBucketResult/Contents", end_listed},
    {"/ListBucketResult/CommonPrefixes/Prefix", add_folder},
    {"/ListBucketResult/IsTruncated", set_more},
    {"/ListBucketResult/NextContinuationToken", set_token},
    {"/ListBucketResult/EncodingType", set_encoding},
};

static const struct field bucket_fields[] = {
    {"/ListAllMyBucketsResult/Buckets/Bucket/Name", set_key},
    {"/ListAllMyBucketsResult/Buckets/Bucket/CreationDate", set_last_modified},
    {"/ListAllMyBucketsResult/Buckets/Bucket/BucketRegion", set_storage_class},
    {"/ListAllMyBucketsResult/Buckets/Bucket", end_bucket},
    {"/ListAllMyBucketsResult/ContinuationToken", set_bucket_token},
};

/* ---- Errors ---- */

/* Control characters become '?', a cut ends on a whole UTF-8 character. */
static void set_text(char *out, size_t room, struct s3e_span text)
{
    size_t len = text.len < room ? text.len : room - 1;
    while (len < text.len && len > 0 && (text.ptr[len] & 0xc0) == 0x80) {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        const uint8_t c = text.ptr[i];
        out[i] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    }
    out[len] = '\0';
}

static void set_code(struct parse *p, struct s3e_span text)
{
    set_text(p->error->code, sizeof p->error->code, text);
}

static void set_message(struct parse *p, struct s3e_span text)
{
    set_text(p->error->message, sizeof p->error->message, text);
}

static void set_region(struct parse *p, struct s3e_span text)
{
    set_text(p->error->region, sizeof p->error->region, text);
}

static void set_request_id(struct parse *p, struct s3e_span text)
{
    set_text(p->error->request_id, sizeof p->error->request_id, text);
}

static void set_endpoint(struct parse *p, struct s3e_span text)
{
    set_text(p->error->endpoint, sizeof p->error->endpoint, text);
}

static const struct field error_fields[] = {
    {"/Error/Code", set_code},
    {"/Error/Message", set_message},
    {"/Error/Region", set_region},
    {"/Error/RequestId", set_request_id},
    {"/Error/Endpoint", set_endpoint},
};

/* ---- expat ---- */

static void XMLCALL on_doctype(void *ctx, const XML_Char *name,
    const XML_Char *sysid, const XML_Char *pubid, int has_subset)
{
    (void)name;
    (void)sysid;
    (void)pubid;
    (void)has_subset;
    stop(ctx, S3E_E_FORMAT, "XML with a DOCTYPE, which S3 never sends");
}

static void XMLCALL on_start(
    void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    struct parse *p = ctx;
    (void)attributes;
    if (p->depth == 0 && strcmp(name, p->root) != 0) {
        stop(p, S3E_E_FORMAT,
            strcmp(name, "Error") == 0 ? "an error in place of a result"
                                       : "XML, but not what was asked for");
    }
    if (++p->depth > DEPTH_MAX) {
        stop(p, S3E_E_FORMAT, "XML that is nested too deep");
    }
    s3e_buf_add_byte(&p->path, '/');
    s3e_buf_add_str(&p->path, name);
    if (p->path.rc) {
        stop(p, p->path.rc, "XML with a name that is too long");
    }
    s3e_buf_clear(&p->text);
}

static void XMLCALL on_text(void *ctx, const XML_Char *text, int len)
{
    struct parse *p = ctx;
    s3e_buf_add(
        &p->text, (struct s3e_span){(const uint8_t *)text, (size_t)len});
    if (p->text.rc) {
        stop(p, p->text.rc, "XML with a text that is too long");
    }
}

static void XMLCALL on_end(void *ctx, const XML_Char *name)
{
    struct parse *p = ctx;
    const struct s3e_span path = s3e_buf_span(&p->path);
    if (p->rc) {
        return; /* expat finishes an empty element after a stop, too */
    }
    for (size_t i = 0; i < p->num_fields; i++) {
        if (s3e_span_eq(path, s3e_span_str(p->fields[i].path))) {
            p->fields[i].set(p, s3e_buf_span(&p->text));
            break;
        }
    }
    s3e_buf_clear(&p->text);
    p->path.len -= strlen(name) + 1;
    p->depth--;
}

static void *expat_malloc(size_t bytes)
{
    return s3e_alloc_array(bytes, 1);
}

static void *expat_realloc(void *ptr, size_t bytes)
{
    return s3e_realloc_array(ptr, bytes, 1);
}

static s3e_rc run(struct parse *p, struct s3e_span xml)
{
    static const XML_Memory_Handling_Suite mem = {
        expat_malloc, expat_realloc, s3e_free};
    if (xml.len > DOCUMENT_MAX) {
        return s3e_fail(p->err, S3E_E_LIMIT,
            "answer of the store: %zu bytes of XML; at most %d are read",
            xml.len, DOCUMENT_MAX);
    }
    p->expat = XML_ParserCreate_MM("UTF-8", &mem, NULL);
    if (!p->expat) {
        return s3e_fail(p->err, S3E_E_NOMEM, "no memory to read XML");
    }
    XML_SetUserData(p->expat, p);
    XML_SetElementHandler(p->expat, on_start, on_end);
    XML_SetCharacterDataHandler(p->expat, on_text);
    XML_SetStartDoctypeDeclHandler(p->expat, on_doctype);
    const enum XML_Status status =
        XML_Parse(p->expat, (const char *)xml.ptr, (int)xml.len, XML_TRUE);
    const enum XML_Error why = XML_GetErrorCode(p->expat);
    if (p->rc == S3E_OK && why == XML_ERROR_NO_MEMORY) {
        p->rc = s3e_fail(p->err, S3E_E_NOMEM, "no memory to read XML");
    } else if (p->rc == S3E_OK && status != XML_STATUS_OK) {
        p->rc = s3e_fail(p->err, S3E_E_FORMAT,
            "answer of the store: XML that breaks in line %lu: %s",
            (unsigned long)XML_GetCurrentLineNumber(p->expat),
            XML_ErrorString(why));
    }
    XML_ParserFree(p->expat);
    return p->rc;
}

/* ---- Documents ---- */

static struct parse parse_zero(const char *root, const struct field *fields,
    size_t num_fields, struct s3e_err *err)
{
    return (struct parse){
        .root = root,
        .fields = fields,
        .num_fields = num_fields,
        .path = S3E_BUF(PATH_MAX_LEN),
        .text = S3E_BUF(TEXT_MAX),
        .err = err,
        .page = s3e_page_builder_zero(),
        .object = {.key = S3E_BUF(TEXT_MAX),
            .etag = S3E_BUF(TEXT_MAX),
            .storage_class = S3E_BUF(TEXT_MAX)},
    };
}

static void parse_deinit(struct parse *p)
{
    s3e_buf_free(&p->path);
    s3e_buf_free(&p->text);
    s3e_buf_free(&p->object.key);
    s3e_buf_free(&p->object.etag);
    s3e_buf_free(&p->object.storage_class);
    s3e_page_builder_deinit(&p->page);
}

static s3e_rc read_page(
    struct s3e_page **out, struct parse *p, struct s3e_span xml)
{
    begin_object(p);
    s3e_rc rc = run(p, xml);
    if (rc == S3E_OK && p->page.more && p->page.next_token.len == 0) {
        rc = s3e_fail(p->err, S3E_E_FORMAT,
            "answer of the store: a listing that goes on, without a "
            "continuation token");
    }
    if (rc == S3E_OK && p->url_encoded) {
        rc = s3e_page_decode_url(&p->page, p->err);
    }
    if (rc == S3E_OK) {
        rc = s3e_page_finish(out, &p->page, p->err);
    }
    parse_deinit(p);
    return rc;
}

#define COUNT(table) (sizeof(table) / sizeof *(table))

s3e_rc s3e_xml_list(
    struct s3e_page **out, struct s3e_span xml, struct s3e_err *err)
{
    struct parse p =
        parse_zero("ListBucketResult", list_fields, COUNT(list_fields), err);
    return read_page(out, &p, xml);
}

s3e_rc s3e_xml_buckets(
    struct s3e_page **out, struct s3e_span xml, struct s3e_err *err)
{
    struct parse p = parse_zero(
        "ListAllMyBucketsResult", bucket_fields, COUNT(bucket_fields), err);
    return read_page(out, &p, xml);
}

s3e_rc s3e_xml_error(
    struct s3e_xml_error *out, struct s3e_span xml, struct s3e_err *err)
{
    *out = (struct s3e_xml_error){0};
    struct parse p =
        parse_zero("Error", error_fields, COUNT(error_fields), err);
    p.error = out;
    const s3e_rc rc = run(&p, xml);
    parse_deinit(&p);
    if (rc) {
        *out = (struct s3e_xml_error){0};
    }
    return rc;
}

const char *s3e_xml_version(void)
{
    return XML_ExpatVersion();
}
