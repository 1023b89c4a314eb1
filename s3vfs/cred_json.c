#include "s3vfs/cred_json.h"

#include "base/clock.h"
#include "base/mem.h"
#include "s3vfs/cred_chain.h"

#include <jansson.h>

static struct s3e_span text_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return (struct s3e_span){
        (const uint8_t *)json_string_value(value), json_string_length(value)};
}

static s3e_rc read_object(struct s3e_credentials *out, const json_t *object,
    const char *source, struct s3e_err *err)
{
    const struct s3e_span code = text_of(object, "Code");
    const struct s3e_span id = text_of(object, "AccessKeyId");
    const struct s3e_span secret = text_of(object, "SecretAccessKey");
    const struct s3e_span expires = text_of(object, "Expiration");
    if (code.len && !s3e_span_eq(code, S3E_LIT("Success"))) {
        return s3e_fail(
            err, S3E_E_FORMAT, "it answers Code %.*s", S3E_SPAN_ARG(code));
    }
    if (!id.len || !secret.len) {
        return s3e_fail(err, S3E_E_FORMAT,
            "its answer has no AccessKeyId or no SecretAccessKey");
    }
    if (expires.len && !s3e_time_parse_iso(&out->expires,
                           (const char *)expires.ptr, expires.len)) {
        return s3e_fail(
            err, S3E_E_FORMAT, "the Expiration in its answer is not a time");
    }
    return s3e_cred_set(out, id, secret, text_of(object, "Token"), source, err);
}

/* What jansson copied out of the text, before it is freed; its tokenizer's own
 * copies are out of reach. */
static void wipe(json_t *object)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(object, name, value)
    {
        const char *text = json_string_value(value);
        if (text) {
            void *bytes = NULL; /* jansson's, in memory of the heap */
            memcpy(&bytes, &text, sizeof bytes);
            s3e_wipe(bytes, json_string_length(value));
        }
    }
}

s3e_rc s3e_cred_json(struct s3e_credentials *out, struct s3e_span json,
    const char *source, struct s3e_err *err)
{
    json_t *object = json_loadb(
        (const char *)json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL);
    const s3e_rc rc =
        json_is_object(object)
            ? read_object(out, object, source, err)
            : s3e_fail(err, S3E_E_FORMAT, "its answer is not a JSON object");
    wipe(object);
    json_decref(object);
    return rc;
}
