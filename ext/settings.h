/* ext/settings.h - what s3_config() sets, per connection: one table of names,
 * types and defaults. */
#ifndef S3E_EXT_SETTINGS_H
#define S3E_EXT_SETTINGS_H

#include "base/buf.h"
#include "base/span.h"
#include "base/status.h"
#include "s3vfs/account.h"

#include <stdbool.h>

/* An index into the table of settings.c. */
enum s3e_setting {
    S3E_SET_REGION,
    S3E_SET_PROFILE,
    S3E_SET_ENDPOINT_URL,
    S3E_SET_ADDRESSING_STYLE,
    S3E_SET_NO_SIGN_REQUEST,
    S3E_SET_REQUEST_PAYER,
    S3E_SET_EXPECTED_BUCKET_OWNER,
    S3E_SET_CA_BUNDLE,
    S3E_SET_MAX_ATTEMPTS,
    S3E_SET_CONNECT_TIMEOUT,
    S3E_SET_READ_TIMEOUT,
    S3E_SET_MAX_CONNECTIONS,
    S3E_SET_ACCESS_KEY_ID,
    S3E_SET_SECRET_ACCESS_KEY,
    S3E_SET_SESSION_TOKEN,
    S3E_SET_PREFETCH,
    S3E_SET_PREFETCH_BYTES,
    S3E_SET_ON_ERROR,
    S3E_SET_BUCKET,
    S3E_SETTINGS
};

/* Zero state: all zeros, everything at its default. */
struct s3e_settings {
    char *values[S3E_SETTINGS]; /* owned text; NULL: not set */
};

void s3e_settings_deinit(struct s3e_settings *settings); /* wipes secrets */

/* Finds `name`. Errors: S3E_E_INPUT, naming the near ones. */
S3E_MUST_CHECK s3e_rc s3e_settings_find(
    enum s3e_setting *out, struct s3e_span name, struct s3e_err *err);

/* Sets it, or with value.ptr NULL back to its default.
 * Errors  S3E_E_INPUT, S3E_E_RANGE (what is allowed is named), S3E_E_NOMEM;
 *         the old value stays. */
S3E_MUST_CHECK s3e_rc s3e_settings_set(struct s3e_settings *settings,
    enum s3e_setting which, struct s3e_span value, struct s3e_err *err);

/* What was set, else the table's default, else NULL. Secrets as they are: for
 * people s3e_settings_shown. */
const char *s3e_settings_get(
    const struct s3e_settings *settings, enum s3e_setting which);
const char *s3e_settings_shown(
    const struct s3e_settings *settings, enum s3e_setting which);

/* The value of one that is a whole number; 0 where there is none. */
uint64_t s3e_settings_number(
    const struct s3e_settings *settings, enum s3e_setting which);

/* True where the value is a whole number. */
bool s3e_settings_is_number(enum s3e_setting which);

/* True where the account must be made anew after a change of it. */
bool s3e_settings_is_account(enum s3e_setting which);

/* As the account takes them; borrowed from `settings`. */
struct s3e_overrides s3e_settings_overrides(
    const struct s3e_settings *settings);

#endif
