#include "s3vfs/xml.h"
#include "tests/harness.h"

#include "base/mem.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS   " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

/* As AWS answers. */
static const char aws_list[] =
    HEAD "<ListBucketResult" NS "><Name>sparkyfruit</Name><Prefix></Prefix>"
         "<NextContinuationToken>1/tok+en%3D==</NextContinuationToken>"
         "<KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter>"
         "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
         "<Contents><Key>apple_6/r0+100%2B%C3%A9%0A.jpg</Key>"
         "<LastModified>2009-10-12T17:50:30.000Z</LastModified>"
         "<ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag>"
         "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm>"
         "<Size>434234</Size><StorageClass>GLACIER</StorageClass>"
         "<Owner><ID>abc</ID><DisplayName>me</DisplayName></Owner></Contents>"
         "<Contents><Key>b</Key><Size>0</Size></Contents>"
         "<CommonPrefixes><Prefix>photos+1/</Prefix></CommonPrefixes>"
         "<CommonPrefixes><Prefix>z%2F/</Prefix></CommonPrefixes>"
         "</ListBucketResult>";

static struct s3e_page *list(const char *xml)
{
    struct s3e_err err;
    struct s3e_page *page = NULL;
    CHECK_RC(s3e_xml_list(&page, s3e_span_str(xml), &err), S3E_OK, &err);
    return page;
}

static void a_listing_of_aws_is_read(void)
{
    struct s3e_page *page = list(aws_list);
    CHECK(page->num_objects == 2);
    const struct s3e_object *o = page->objects;
    CHECK_SPAN(o[0].key, "apple_6/r0 100+\xc3\xa9\n.jpg");
    CHECK_SPAN(o[0].etag, "fba9dede5f27731c9771645a39863328");
    CHECK_SPAN(o[0].storage_class, "GLACIER");
    CHECK(o[0].size == 434234 && o[0].last_modified == 1255369830);
    CHECK_SPAN(o[1].key, "b");
    CHECK_SPAN(o[1].etag, "");
    CHECK_SPAN(o[1].storage_class, "STANDARD");
    CHECK(o[1].size == 0 && o[1].last_modified == -1);
    CHECK(page->num_folders == 2);
    CHECK_SPAN(page->folders[0], "photos 1/");
    CHECK_SPAN(page->folders[1], "z//");
    CHECK(page->more);
    CHECK_SPAN(page->next_token, "1/tok+en%3D=="); /* never decoded */
    s3e_page_unref(page);
}

/* Others say EncodingType behind the keys, or not at all. */
static void keys_are_decoded_where_the_answer_says_so(void)
{
#define KEYS "<Contents><Key>a%2Bb+c</Key><Size>1</Size></Contents>"
    static const struct {
        const char *xml, *key;
    } cases[] = {
        {"<ListBucketResult>" KEYS "<EncodingType>url</EncodingType>"
         "</ListBucketResult>",
            "a+b c"},
        {"<ListBucketResult>" KEYS "</ListBucketResult>", "a%2Bb+c"},
        {"<ListBucketResult>" KEYS "<EncodingType/></ListBucketResult>",
            "a%2Bb+c"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_page *page = list(cases[i].xml);
        CHECK(page->num_objects == 1 && !page->more);
        CHECK_SPAN(page->objects[0].key, cases[i].key);
        s3e_page_unref(page);
    }
}

static void a_listing_may_be_empty(void)
{
    struct s3e_page *page = list(
        HEAD "<ListBucketResult" NS "><Name>b</Name></ListBucketResult>\n");
    CHECK(page->num_objects == 0 && page->num_folders == 0 && !page->more);
    s3e_page_unref(page);
}

static void buckets_are_read(void)
{
    struct s3e_err err;
    struct s3e_page *page = NULL;
    CHECK_RC(s3e_xml_buckets(&page,
                 S3E_LIT("<ListAllMyBucketsResult><Owner><ID>x</ID></Owner>"
                         "<Buckets><Bucket><Name>b-1</Name><CreationDate>"
                         "2009-10-12T17:50:30.000Z</CreationDate>"
                         "<BucketRegion>eu-west-3</BucketRegion></Bucket>"
                         "<Bucket><Name>b-2</Name><CreationDate>once</"
                         "CreationDate></Bucket></Buckets>"
                         "<ContinuationToken>t</ContinuationToken>"
                         "</ListAllMyBucketsResult>"),
                 &err),
        S3E_OK, &err);
    CHECK(page->num_objects == 2 && page->more);
    CHECK_SPAN(page->objects[0].key, "b-1");
    CHECK_SPAN(page->objects[0].storage_class, "eu-west-3");
    CHECK(page->objects[0].last_modified == 1255369830);
    CHECK_SPAN(page->objects[1].key, "b-2");
    CHECK_SPAN(page->objects[1].storage_class, "");
    CHECK(page->objects[1].last_modified == -1); /* a date of no sort we know */
    CHECK_SPAN(page->next_token, "t");
    s3e_page_unref(page);
}

static void errors_are_read_and_made_printable(void)
{
    struct s3e_err err;
    struct s3e_xml_error e;
    CHECK_RC(
        s3e_xml_error(&e,
            S3E_LIT(HEAD "<Error><Code>AuthorizationHeaderMalformed</Code>"
                         "<Message>The region &#10;'us-east-1' is wrong&#127;"
                         "</Message><Region>eu-west-3</Region>"
                         "<StringToSign>AWS4-HMAC secret</StringToSign>"
                         "<Endpoint>b.s3.eu-west-3.amazonaws.com</Endpoint>"
                         "<RequestId>4442587FB7D0A2F9</RequestId></Error>"),
            &err),
        S3E_OK, &err);
    CHECK_STR(e.code, "AuthorizationHeaderMalformed");
    CHECK_STR(e.message, "The region ?'us-east-1' is wrong?");
    CHECK_STR(e.region, "eu-west-3");
    CHECK_STR(e.request_id, "4442587FB7D0A2F9");
    CHECK_STR(e.endpoint, "b.s3.eu-west-3.amazonaws.com");

    /* 47 bytes of room: a cut never leaves half a character. */
    char text[200];
    (void)snprintf(
        text, sizeof text, "<Error><Code>%046d\xc3\xa9</Code></Error>", 0);
    CHECK_RC(s3e_xml_error(&e, s3e_span_str(text), &err), S3E_OK, &err);
    CHECK(strlen(e.code) == 46);

    /* What is no XML leaves nothing half read. */
    CHECK(s3e_xml_error(&e, S3E_LIT("<Error><Code>X</Code><html>"), &err) ==
          S3E_E_FORMAT);
    CHECK_STR(e.code, "");
    CHECK(s3e_xml_error(&e, S3E_LIT(""), &err) == S3E_E_FORMAT);
}

static void what_s3_never_sends_is_refused(void)
{
#define LIST(inner) "<ListBucketResult>" inner "</ListBucketResult>"
    static const struct {
        const char *xml, *says;
    } cases[] = {
        {"", "no element found"},
        {"<html><body>oops</body></html>", "not what was asked for"},
        {"<Error><Code>SlowDown</Code></Error>", "an error in place"},
        {"<Error/>", "an error in place"},
        {"<ListBucketResult>", "breaks in line 1"},
        {"<!DOCTYPE x [<!ENTITY a \"aa\">]>" LIST(""), "DOCTYPE"},
        {"<!DOCTYPE x SYSTEM \"file:///etc/passwd\">" LIST(""), "DOCTYPE"},
        {LIST("<Name>&lol;</Name>"), "undefined entity"},
        {LIST("<Contents></Contents>"), "without a key"},
        {LIST("<Contents><Key></Key></Contents>"), "without a key"},
        {LIST("<Contents><Key>a</Key><Size>-1</Size></Contents>"),
            "not a number"},
        {LIST("<Contents><Key>a</Key><Size/></Contents>"), "not a number"},
        {LIST("<Contents><Key>a</Key><Size>9999999999999999999</Size>"
              "</Contents>"),
            "not a number"},
        {LIST("<IsTruncated>true</IsTruncated>"), "continuation token"},
        {LIST("<EncodingType>url</EncodingType><Contents><Key>%4</Key>"
              "</Contents>"),
            "not percent-encoded"},
        {LIST("<EncodingType>url</EncodingType><Contents><Key>%g0</Key>"
              "</Contents>"),
            "not percent-encoded"},
        {LIST("<EncodingType>url</EncodingType><Contents><Key>a%00b</Key>"
              "</Contents>"),
            "not percent-encoded"},
        {LIST("<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>"),
            "nested too deep"},
        {"<ListBucketResult>\xff</ListBucketResult>", "not well-formed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_err err;
        struct s3e_page *page = NULL;
        in_case(cases[i].xml);
        CHECK(s3e_xml_list(&page, s3e_span_str(cases[i].xml), &err) ==
              S3E_E_FORMAT);
        if (!strstr(err.msg, cases[i].says)) {
            CHECK_STR(err.msg, cases[i].says);
        }
        CHECK(!page);
    }
    in_case(NULL);
    struct s3e_err err;
    struct s3e_page *page = NULL;
    CHECK(s3e_xml_list(&page, S3E_LIT(LIST("<Name>a\0b</Name>")), &err) ==
          S3E_E_FORMAT);
}

/* `open`, then `count` times `piece`, then `close`, as one listing. */
static s3e_rc list_many(
    const char *open, const char *piece, size_t count, const char *close)
{
    struct s3e_err err;
    struct s3e_page *page = NULL;
    struct s3e_buf xml = S3E_BUF(16 * 1024 * 1024);
    s3e_buf_add_str(&xml, "<ListBucketResult>");
    s3e_buf_add_str(&xml, open);
    for (size_t i = 0; i < count; i++) {
        s3e_buf_add_str(&xml, piece);
    }
    s3e_buf_add_str(&xml, close);
    s3e_buf_add_str(&xml, "</ListBucketResult>");
    const s3e_rc rc = s3e_xml_list(&page, s3e_buf_span(&xml), &err);
    if (rc == S3E_OK) {
        CHECK(page->num_objects == count);
    }
    s3e_page_unref(page);
    s3e_buf_free(&xml);
    return rc;
}

static void too_much_is_refused(void)
{
    const char *one = "<Contents><Key>a</Key></Contents>";
    CHECK(list_many("", one, 10000, "") == S3E_OK);
    CHECK(list_many("", one, 10001, "") == S3E_E_LIMIT);
    CHECK(list_many("<Name>", "aaaaaaaaaaaaaaaa", 1025, "</Name>") ==
          S3E_E_LIMIT);
    CHECK(list_many("<", "aaaaaaaaaaaaaaaa", 40, "/>") == S3E_E_LIMIT);
}

static s3e_rc read_list(void *ctx)
{
    struct s3e_err err;
    struct s3e_page *page = NULL;
    (void)ctx;
    const s3e_rc rc = s3e_xml_list(&page, s3e_span_str(aws_list), &err);
    s3e_page_unref(page);
    return rc;
}

static s3e_rc read_error(void *ctx)
{
    struct s3e_err err;
    struct s3e_xml_error e;
    (void)ctx;
    return s3e_xml_error(
        &e, S3E_LIT("<Error><Code>NoSuchKey</Code></Error>"), &err);
}

int main(void)
{
    count_allocations();
    a_listing_of_aws_is_read();
    keys_are_decoded_where_the_answer_says_so();
    a_listing_may_be_empty();
    buckets_are_read();
    errors_are_read_and_made_printable();
    what_s3_never_sends_is_refused();
    too_much_is_refused();
    sweep_allocations(read_list, NULL);
    sweep_allocations(read_error, NULL);
    CHECK(live_allocations() == 0);
    return 0;
}
