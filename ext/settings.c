#include "ext/settings.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum type { TEXT, WHOLE, NUMBER, CHOICE };

static const struct setting {
    const char *name;
    const char *choices; /* CHOICE: "|a|b|" */
    const char *initial; /* NULL: resolved by the account, or none */
    double min, max;     /* WHOLE, NUMBER */
    enum type type;
    bool secret;
    bool account;
} table[S3E_SETTINGS] = {
    [S3E_SET_REGION] = {.name = "region", .account = true},
    [S3E_SET_PROFILE] = {.name = "profile", .account = true},
    [S3E_SET_ENDPOINT_URL] = {.name = "endpoint_url", .account = true},
    [S3E_SET_ADDRESSING_STYLE] = {.name = "addressing_style",
        .type = CHOICE,
        .choices = "|auto|path|virtual|",
        .account = true},
    [S3E_SET_NO_SIGN_REQUEST] = {.name = "no_sign_request",
        .type = WHOLE,
        .max = 1,
        .account = true},
    [S3E_SET_REQUEST_PAYER] = {.name = "request_payer",
        .type = CHOICE,
        .choices = "|requester|",
        .account = true},
    [S3E_SET_EXPECTED_BUCKET_OWNER] = {.name = "expected_bucket_owner",
        .account = true},
    [S3E_SET_CA_BUNDLE] = {.name = "ca_bundle", .account = true},
    [S3E_SET_MAX_ATTEMPTS] = {.name = "max_attempts",
        .type = WHOLE,
        .min = 1,
        .max = 20,
        .account = true},
    [S3E_SET_CONNECT_TIMEOUT] = {.name = "connect_timeout",
        .type = NUMBER,
        .min = 0.001,
        .max = 3600,
        .account = true},
    [S3E_SET_READ_TIMEOUT] = {.name = "read_timeout",
        .type = NUMBER,
        .min = 0.001,
        .max = 3600,
        .account = true},
    [S3E_SET_MAX_CONNECTIONS] = {.name = "max_connections",
        .type = WHOLE,
        .min = 1,
        .max = 1024,
        .initial = "64",
        .account = true},
    [S3E_SET_ACCESS_KEY_ID] = {.name = "aws_access_key_id",
        .secret = true,
        .account = true},
    [S3E_SET_SECRET_ACCESS_KEY] = {.name = "aws_secret_access_key",
        .secret = true,
        .account = true},
    [S3E_SET_SESSION_TOKEN] = {.name = "aws_session_token",
        .secret = true,
        .account = true},
    [S3E_SET_PREFETCH] = {.name = "prefetch",
        .type = WHOLE,
        .max = 1,
        .initial = "1"},
    [S3E_SET_PREFETCH_BYTES] = {.name = "prefetch_bytes",
        .type = WHOLE,
        .min = 1 << 20,
        .max = 1099511627776.0,
        .initial = "67108864"},
    [S3E_SET_ON_ERROR] = {.name = "on_error",
        .type = CHOICE,
        .choices = "|raise|null|",
        .initial = "raise"},
    [S3E_SET_BUCKET] = {.name = "bucket"},
};

enum { VALUE_MAX = 4096 /* bytes; a session token has about 1,200 */ };

void s3e_settings_deinit(struct s3e_settings *settings)
{
    for (size_t i = 0; i < S3E_SETTINGS; i++) {
        s3e_free_secret(settings->values[i]);
        settings->values[i] = NULL;
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits (insert, delete, change a byte) that make `name` of `typed`. */
static size_t edits(struct s3e_span typed, const char *name)
{
    size_t row[64];
    const size_t len = strlen(name);
    for (size_t j = 0; j <= len; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < typed.len; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 1; j <= len; j++) {
            const size_t change =
                corner + (typed.ptr[i] != (uint8_t)name[j - 1]);
            corner = row[j];
            row[j] = least(change, least(row[j - 1], row[j]) + 1);
        }
    }
    return row[len];
}

/* A third of the letters may be wrong, or one name begins with the other. */
static bool near(struct s3e_span typed, const char *name)
{
    const struct s3e_span known = s3e_span_str(name);
    return edits(typed, name) * 3 <= known.len ||
           s3e_span_starts(known, typed) || s3e_span_starts(typed, known);
}

/* Appends the names near `typed`, or with typed.ptr NULL every name. */
static void add_names(char *list, size_t room, struct s3e_span typed)
{
    size_t used = strlen(list);
    for (size_t i = 0; i < S3E_SETTINGS; i++) {
        if (typed.ptr && !near(typed, table[i].name)) {
            continue;
        }
        const int len = snprintf(
            list + used, room - used, "%s%s", used ? ", " : "", table[i].name);
        used += len > 0 ? (size_t)len : 0;
        if (used >= room) {
            return;
        }
    }
}

static s3e_rc unknown(struct s3e_span name, struct s3e_err *err)
{
    char names[480] = "";
    if (name.len > 1 && name.len < 64) {
        add_names(names, sizeof names, name);
    }
    if (!names[0]) {
        add_names(names, sizeof names, (struct s3e_span){0});
    }
    name.len = name.len < 64 ? name.len : 64;
    return s3e_fail(err, S3E_E_INPUT, "there is no setting '%.*s'; there is %s",
        S3E_SPAN_ARG(name), names);
}

s3e_rc s3e_settings_find(
    enum s3e_setting *out, struct s3e_span name, struct s3e_err *err)
{
    for (size_t i = 0; i < S3E_SETTINGS; i++) {
        if (s3e_span_eq(name, s3e_span_str(table[i].name))) {
            *out = (enum s3e_setting)i;
            return S3E_OK;
        }
    }
    return unknown(name, err);
}

/* Reads the whole of `value` as a number without sign, "inf" or hex. */
static bool read_number(double *out, struct s3e_span value, bool whole)
{
    char text[32] = "";
    if (value.len == 0 || value.len >= sizeof text) {
        return false;
    }
    memcpy(text, value.ptr, value.len);
    if (strspn(text, whole ? "0123456789" : "0123456789.") != value.len) {
        return false;
    }
    char *end;
    *out = strtod(text, &end);
    return *end == '\0';
}

static s3e_rc check_number(
    const struct setting *s, struct s3e_span value, struct s3e_err *err)
{
    double number = 0;
    if (read_number(&number, value, s->type == WHOLE) && number >= s->min &&
        number <= s->max) {
        return S3E_OK;
    }
    return s3e_fail(err, S3E_E_RANGE, "%s takes a %s from %.15g to %.15g",
        s->name, s->type == WHOLE ? "whole number" : "number", s->min, s->max);
}

static s3e_rc check_choice(
    const struct setting *s, struct s3e_span value, struct s3e_err *err)
{
    const char *at = s->choices;
    while (at[1]) {
        const size_t len = strcspn(at + 1, "|");
        if (s3e_span_eq(
                value, (struct s3e_span){(const uint8_t *)at + 1, len})) {
            return S3E_OK;
        }
        at += len + 1;
    }
    return s3e_fail(err, S3E_E_INPUT, "%s takes one of %.*s", s->name,
        (int)strlen(s->choices) - 2, s->choices + 1);
}

static s3e_rc check(
    const struct setting *s, struct s3e_span value, struct s3e_err *err)
{
    if (value.len > VALUE_MAX || memchr(value.ptr, '\0', value.len) ||
        memchr(value.ptr, '\n', value.len) ||
        memchr(value.ptr, '\r', value.len)) {
        return s3e_fail(err, S3E_E_INPUT,
            "%s takes one line of at most %d bytes", s->name, VALUE_MAX);
    }
    if (s->type == CHOICE) {
        return check_choice(s, value, err);
    }
    return s->type == TEXT ? S3E_OK : check_number(s, value, err);
}

s3e_rc s3e_settings_set(struct s3e_settings *settings, enum s3e_setting which,
    struct s3e_span value, struct s3e_err *err)
{
    char *copy = NULL;
    if (value.ptr) {
        const s3e_rc rc = check(&table[which], value, err);
        if (rc != S3E_OK) {
            return rc;
        }
        copy = s3e_strdup(value);
        if (!copy) {
            return s3e_fail(err, S3E_E_NOMEM, "out of memory");
        }
    }
    s3e_free_secret(settings->values[which]);
    settings->values[which] = copy;
    return S3E_OK;
}

const char *s3e_settings_get(
    const struct s3e_settings *settings, enum s3e_setting which)
{
    const char *value = settings->values[which];
    return value ? value : table[which].initial;
}

const char *s3e_settings_shown(
    const struct s3e_settings *settings, enum s3e_setting which)
{
    const char *value = s3e_settings_get(settings, which);
    return value && table[which].secret ? "<redacted>" : value;
}

uint64_t s3e_settings_number(
    const struct s3e_settings *settings, enum s3e_setting which)
{
    const char *value = s3e_settings_get(settings, which);
    return value ? strtoull(value, NULL, 10) : 0;
}

bool s3e_settings_is_number(enum s3e_setting which)
{
    return table[which].type == WHOLE;
}

bool s3e_settings_is_account(enum s3e_setting which)
{
    return table[which].account;
}

struct s3e_overrides s3e_settings_overrides(const struct s3e_settings *settings)
{
    char *const *v = settings->values;
    return (struct s3e_overrides){
        .region = v[S3E_SET_REGION],
        .profile = v[S3E_SET_PROFILE],
        .endpoint_url = v[S3E_SET_ENDPOINT_URL],
        .addressing_style = v[S3E_SET_ADDRESSING_STYLE],
        .no_sign_request = v[S3E_SET_NO_SIGN_REQUEST],
        .request_payer = v[S3E_SET_REQUEST_PAYER],
        .expected_bucket_owner = v[S3E_SET_EXPECTED_BUCKET_OWNER],
        .ca_bundle = v[S3E_SET_CA_BUNDLE],
        .access_key_id = v[S3E_SET_ACCESS_KEY_ID],
        .secret_access_key = v[S3E_SET_SECRET_ACCESS_KEY],
        .session_token = v[S3E_SET_SESSION_TOKEN],
        .max_attempts = v[S3E_SET_MAX_ATTEMPTS],
        .connect_timeout = v[S3E_SET_CONNECT_TIMEOUT],
        .read_timeout = v[S3E_SET_READ_TIMEOUT],
        .max_connections = v[S3E_SET_MAX_CONNECTIONS],
    };
}
