#include "s3vfs/answer.h"

#include "s3vfs/address.h"

#include <stdio.h>

static const struct known {
    const char *code;
    s3e_rc rc;
    const char *hint;
    enum { PLAIN, EXPIRED, ELSEWHERE } trouble;
} g_known[] = {
    {"NoSuchKey", S3E_E_NOTFOUND, "", PLAIN},
    {"NoSuchBucket", S3E_E_NOTFOUND, "SELECT name FROM s3_buckets lists yours",
        PLAIN},
    {"PreconditionFailed", S3E_E_CHANGED, "it changed since it was listed",
        PLAIN},
    {"AccessDenied", S3E_E_DENIED, "", PLAIN},
    {"AllAccessDisabled", S3E_E_DENIED, "", PLAIN},
    {"InvalidObjectState", S3E_E_DENIED, "it is archived: restore it first",
        PLAIN},
    {"InvalidAccessKeyId", S3E_E_AUTH,
        "is the access key id right, of this account?", PLAIN},
    {"SignatureDoesNotMatch", S3E_E_AUTH, "is the secret access key right?",
        PLAIN},
    {"InvalidToken", S3E_E_AUTH, "is the session token that of the key?",
        EXPIRED},
    {"InvalidTokenId", S3E_E_AUTH, "is the session token that of the key?",
        EXPIRED},
    {"ExpiredToken", S3E_E_AUTH,
        "they expired and are looked for anew by the next statement", EXPIRED},
    {"TokenRefreshRequired", S3E_E_AUTH,
        "they expired and are looked for anew by the next statement", EXPIRED},
    {"RequestTimeTooSkewed", S3E_E_AUTH, "is this machine's clock right?",
        PLAIN},
    {"AccountProblem", S3E_E_AUTH, "", PLAIN},
    {"NotSignedUp", S3E_E_AUTH, "", PLAIN},
    {"AuthorizationHeaderMalformed", S3E_E_AUTH, "", ELSEWHERE},
    {"IllegalLocationConstraintException", S3E_E_AUTH, "", ELSEWHERE},
    {"PermanentRedirect", S3E_E_IO, "", ELSEWHERE},
    {"TemporaryRedirect", S3E_E_IO, "", ELSEWHERE},
    {"Redirect", S3E_E_IO, "", ELSEWHERE},
    {"InvalidRange", S3E_E_RANGE, "", PLAIN},
    {"InvalidBucketName", S3E_E_INPUT, "", PLAIN},
    {"KeyTooLongError", S3E_E_INPUT, "", PLAIN},
    /* Where no body says it (HEAD), by status. */
    {"BadRequest", S3E_E_IO, "", ELSEWHERE},
    {"Unauthorized", S3E_E_AUTH, "", PLAIN},
    {"Forbidden", S3E_E_DENIED, "", PLAIN},
    {"NotFound", S3E_E_NOTFOUND, "", PLAIN},
    {"RequestedRangeNotSatisfiable", S3E_E_RANGE, "", PLAIN},
    {"MovedPermanently", S3E_E_IO, "", ELSEWHERE},
};

static const struct known *find(const char *code)
{
    for (size_t i = 0; i < sizeof g_known / sizeof *g_known; i++) {
        if (strcmp(g_known[i].code, code) == 0) {
            return &g_known[i];
        }
    }
    return NULL;
}

static const char *word_for(int status)
{
    switch (status) {
    case 301:
    case 302:
    case 307:
    case 308:
        return "MovedPermanently";
    case 400:
        return "BadRequest";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "NotFound";
    case 412:
        return "PreconditionFailed";
    case 416:
        return "RequestedRangeNotSatisfiable";
    case 500:
        return "InternalError";
    case 503:
        return "ServiceUnavailable";
    default:
        return "HTTP";
    }
}

static void copy(char *out, size_t room, struct s3e_span text)
{
    (void)snprintf(out, room, "%.*s", S3E_SPAN_ARG(text));
}

/* A region goes into a host's name: what is none is not believed. */
static void read_region(struct s3e_refusal *out, const struct s3e_exchange *ex)
{
    const struct s3e_span told[] = {
        s3e_exchange_header(ex, "x-amz-bucket-region"),
        s3e_span_str(out->xml.region)};
    for (size_t i = 0; i < 2 && !out->region[0]; i++) {
        if (s3e_region_check(told[i])) {
            copy(out->region, sizeof out->region, told[i]);
        }
    }
}

void s3e_refusal_read(struct s3e_refusal *out, const struct s3e_exchange *ex)
{
    struct s3e_err ignored;
    memset(out, 0, sizeof *out);
    out->status = ex->out.status;
    out->retry_after_s = s3e_exchange_number(ex, "retry-after");
    if (s3e_xml_error(&out->xml, s3e_blob_span(ex->out.body), &ignored) ||
        !out->xml.code[0]) {
        copy(out->xml.code, sizeof out->xml.code,
            s3e_span_str(word_for(out->status)));
    }
    if (!out->xml.request_id[0]) {
        copy(out->xml.request_id, sizeof out->xml.request_id,
            s3e_exchange_header(ex, "x-amz-request-id"));
    }
    read_region(out, ex);
    const struct known *known = find(out->xml.code);
    const struct known *plain = find(word_for(out->status));
    const struct known *by = known ? known : plain;
    out->rc = by ? by->rc : S3E_E_IO;
    out->hint = by ? by->hint : "";
    out->expired = known && known->trouble == EXPIRED;
    out->elsewhere = out->region[0] || out->status / 100 == 3 ||
                     (known && known->trouble == ELSEWHERE);
}
