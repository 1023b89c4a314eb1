#include "s3vfs/answer.h"

#include "base/mem.h"
#include "tests/harness.h"

struct answer {
    int status;
    const char *headers, *body;
};

static void read_answer(struct s3e_refusal *out, const struct answer *a)
{
    struct s3e_exchange ex = {0};
    ex.out.status = a->status;
    ex.out.headers = S3E_BUF(65536);
    s3e_buf_add_str(&ex.out.headers, a->headers);
    if (a->body) {
        ex.out.body = s3e_blob_new(0);
        CHECK(ex.out.body != NULL);
        CHECK(s3e_blob_append(&ex.out.body, s3e_span_str(a->body), 65536) ==
              S3E_OK);
    }
    s3e_refusal_read(out, &ex);
    s3e_exchange_reset(&ex);
}

#define CODE(c) "<Error><Code>" c "</Code></Error>"

static void test_meaning(void)
{
    static const struct {
        struct answer answer;
        const char *code;
        s3e_rc rc;
        const char *region;
        bool elsewhere, expired;
    } cases[] = {
        {{404, "", CODE("NoSuchKey")}, "NoSuchKey", S3E_E_NOTFOUND, "", false,
            false},
        {{404, "", CODE("NoSuchBucket")}, "NoSuchBucket", S3E_E_NOTFOUND, "",
            false, false},
        {{404, "", NULL}, "NotFound", S3E_E_NOTFOUND, "", false, false},
        {{404, "", "<html>not here</html>"}, "NotFound", S3E_E_NOTFOUND, "",
            false, false},
        {{404, "", CODE("NoSuchSomething")}, "NoSuchSomething", S3E_E_NOTFOUND,
            "", false, false},
        {{403, "", CODE("AccessDenied")}, "AccessDenied", S3E_E_DENIED, "",
            false, false},
        {{403, "", NULL}, "Forbidden", S3E_E_DENIED, "", false, false},
        {{403, "", CODE("InvalidAccessKeyId")}, "InvalidAccessKeyId",
            S3E_E_AUTH, "", false, false},
        {{403, "", CODE("SignatureDoesNotMatch")}, "SignatureDoesNotMatch",
            S3E_E_AUTH, "", false, false},
        {{403, "", CODE("RequestTimeTooSkewed")}, "RequestTimeTooSkewed",
            S3E_E_AUTH, "", false, false},
        {{400, "", CODE("ExpiredToken")}, "ExpiredToken", S3E_E_AUTH, "", false,
            true},
        {{400, "", CODE("TokenRefreshRequired")}, "TokenRefreshRequired",
            S3E_E_AUTH, "", false, true},
        {{401, "", NULL}, "Unauthorized", S3E_E_AUTH, "", false, false},
        {{403, "", CODE("InvalidObjectState")}, "InvalidObjectState",
            S3E_E_DENIED, "", false, false},
        {{412, "", NULL}, "PreconditionFailed", S3E_E_CHANGED, "", false,
            false},
        {{416, "", CODE("InvalidRange")}, "InvalidRange", S3E_E_RANGE, "",
            false, false},
        {{400, "", CODE("KeyTooLongError")}, "KeyTooLongError", S3E_E_INPUT, "",
            false, false},
        {{500, "", NULL}, "InternalError", S3E_E_IO, "", false, false},
        {{503, "", CODE("SlowDown")}, "SlowDown", S3E_E_IO, "", false, false},
        {{418, "", NULL}, "HTTP", S3E_E_IO, "", false, false},
        /* The bucket is elsewhere. */
        {{301, "x-amz-bucket-region: eu-west-3\n", CODE("PermanentRedirect")},
            "PermanentRedirect", S3E_E_IO, "eu-west-3", true, false},
        {{301, "", NULL}, "MovedPermanently", S3E_E_IO, "", true, false},
        {{307, "", CODE("TemporaryRedirect")}, "TemporaryRedirect", S3E_E_IO,
            "", true, false},
        {{400, "",
             "<Error><Code>AuthorizationHeaderMalformed</Code>"
             "<Region>eu-west-3</Region></Error>"},
            "AuthorizationHeaderMalformed", S3E_E_AUTH, "eu-west-3", true,
            false},
        {{400, "", CODE("IllegalLocationConstraintException")},
            "IllegalLocationConstraintException", S3E_E_AUTH, "", true, false},
        {{400, "", NULL}, "BadRequest", S3E_E_IO, "", true, false},
        {{400, "", CODE("SomethingElse")}, "SomethingElse", S3E_E_IO, "", false,
            false},
        {{200, "x-amz-bucket-region: us-west-2\n", NULL}, "HTTP", S3E_E_IO,
            "us-west-2", true, false},
        /* What is no region is not believed. */
        {{301, "x-amz-bucket-region: evil.com/x\n", NULL}, "MovedPermanently",
            S3E_E_IO, "", true, false},
        {{400, "",
             "<Error><Code>AuthorizationHeaderMalformed</Code>"
             "<Region>Evil.com#</Region></Error>"},
            "AuthorizationHeaderMalformed", S3E_E_AUTH, "", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_refusal got;
        in_case(cases[i].code);
        read_answer(&got, &cases[i].answer);
        CHECK_STR(got.xml.code, cases[i].code);
        CHECK(got.rc == cases[i].rc);
        CHECK_STR(got.region, cases[i].region);
        CHECK(got.elsewhere == cases[i].elsewhere);
        CHECK(got.expired == cases[i].expired);
        CHECK(got.hint != NULL && got.status == cases[i].answer.status);
    }
    in_case(NULL);
}

static void test_details(void)
{
    struct s3e_refusal got;
    read_answer(&got, &(struct answer){503,
                          "retry-after: 7\nx-amz-request-id: HEADER\n", NULL});
    CHECK(got.retry_after_s == 7);
    CHECK_STR(got.xml.request_id, "HEADER");
    read_answer(&got, &(struct answer){503,
                          "retry-after: Wed, 21 Oct 2015 07:28:00 GMT\n"
                          "x-amz-request-id: HEADER\n",
                          "<Error><Code>SlowDown</Code><RequestId>BODY"
                          "</RequestId></Error>"});
    CHECK(got.retry_after_s == -1);
    CHECK_STR(got.xml.request_id, "BODY");
}

int main(void)
{
    count_allocations();
    test_meaning();
    test_details();
    CHECK(live_allocations() == 0);
    return 0;
}
