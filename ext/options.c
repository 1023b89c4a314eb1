#include "ext/options.h"

#include "base/buf.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_MAX = 1 << 20 /* bytes */ };

static const struct s3e_option *find(
    const struct s3e_option *options, size_t num_options, const char *name)
{
    for (size_t i = 0; i < num_options; i++) {
        if (strcmp(options[i].name, name) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static s3e_rc unknown(const struct s3e_option *options, size_t num_options,
    const char *name, struct s3e_err *err)
{
    char names[384] = "none";
    size_t used = 0;
    for (size_t i = 0; i < num_options && used < sizeof names; i++) {
        const int len = snprintf(names + used, sizeof names - used, "%s%s",
            used ? ", " : "", options[i].name);
        used += len > 0 ? (size_t)len : 0;
    }
    return s3e_fail(err, S3E_E_INPUT,
        "there is no option '%.64s'; there is: %s", name, names);
}

static s3e_rc wrong(
    const struct s3e_option *option, const char *want, struct s3e_err *err)
{
    return s3e_fail(
        err, S3E_E_INPUT, "option '%s' takes %s", option->name, want);
}

static s3e_rc keep(char **out, struct s3e_span text, struct s3e_err *err)
{
    s3e_free(*out);
    *out = s3e_strdup(text);
    return *out ? S3E_OK : s3e_fail(err, S3E_E_NOMEM, "out of memory");
}

static s3e_rc read_bool(
    const struct s3e_option *option, const json_t *value, struct s3e_err *err)
{
    bool *out = option->out;
    if (json_is_boolean(value)) {
        *out = json_is_true(value);
        return S3E_OK;
    }
    const json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || number > 1) {
        return wrong(option, "0 or 1", err);
    }
    *out = number == 1;
    return S3E_OK;
}

static s3e_rc read_text(
    const struct s3e_option *option, const json_t *value, struct s3e_err *err)
{
    const struct s3e_span text = {
        (const uint8_t *)json_string_value(value), json_string_length(value)};
    if (!json_is_string(value) || memchr(text.ptr, '\0', text.len)) {
        return wrong(option, "a string", err);
    }
    return keep(option->out, text, err);
}

static int add_to_buf(const char *text, size_t len, void *buf)
{
    s3e_buf_add(buf, (struct s3e_span){(const uint8_t *)text, len});
    return 0;
}

static s3e_rc read_json(
    const struct s3e_option *option, const json_t *value, struct s3e_err *err)
{
    struct s3e_buf text = S3E_BUF(6 * (size_t)JSON_MAX);
    char **out = option->out;
    s3e_free(*out);
    *out = NULL;
    if (json_dump_callback(
            value, add_to_buf, &text, JSON_ENCODE_ANY | JSON_COMPACT) == 0) {
        *out = s3e_buf_take(&text);
    }
    s3e_buf_free(&text);
    return *out ? S3E_OK : s3e_fail(err, S3E_E_NOMEM, "out of memory");
}

static s3e_rc read_one(
    const struct s3e_option *option, const json_t *value, struct s3e_err *err)
{
    switch (option->type) {
    case S3E_OPTION_BOOL:
        return read_bool(option, value, err);
    case S3E_OPTION_TEXT:
        return read_text(option, value, err);
    case S3E_OPTION_JSON:
        return read_json(option, value, err);
    case S3E_OPTION_INT:
        break;
    }
    if (!json_is_integer(value)) {
        return wrong(option, "a whole number", err);
    }
    *(int64_t *)option->out = json_integer_value(value);
    return S3E_OK;
}

s3e_rc s3e_options_read(const struct s3e_option *options, size_t num_options,
    struct s3e_span json, struct s3e_err *err)
{
    if (json.len == 0 && !json.ptr) {
        return S3E_OK;
    }
    json_error_t why = {.text = "longer than 1 MiB"};
    json_t *root = json.len > JSON_MAX
                       ? NULL
                       : json_loadb((const char *)json.ptr, json.len,
                             JSON_REJECT_DUPLICATES, &why);
    s3e_rc rc = S3E_OK;
    if (!json_is_object(root)) {
        rc = s3e_fail(err, S3E_E_INPUT,
            "options are one JSON object, such as json_object('name', 1)%s%s",
            root ? "" : ": ", root ? "" : why.text);
    }
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        const struct s3e_option *option = find(options, num_options, name);
        if (rc != S3E_OK) {
            break;
        }
        if (!option) {
            rc = unknown(options, num_options, name, err);
        } else if (!json_is_null(value)) {
            rc = read_one(option, value, err);
        }
    }
    json_decref(root);
    return rc;
}

const char *s3e_options_version(void)
{
    return jansson_version_str();
}
