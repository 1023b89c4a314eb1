/* ext/options.h - the options of a function or table: one JSON object, whose
 * unknown keys raise. */
#ifndef S3E_EXT_OPTIONS_H
#define S3E_EXT_OPTIONS_H

#include "base/span.h"
#include "base/status.h"

#include <stddef.h>

enum s3e_option_type {
    S3E_OPTION_BOOL, /* out: bool *; 0, 1, true, false */
    S3E_OPTION_INT,  /* out: int64_t * */
    S3E_OPTION_TEXT, /* out: char **, to be freed with s3e_free */
    S3E_OPTION_JSON  /* out: char **, any value as JSON text, likewise */
};

/* `out` is left as it is where the option is absent or null. */
struct s3e_option {
    const char *name;
    enum s3e_option_type type;
    void *out;
};

/* Reads `json` into what `options` point at.
 *
 * json    an object; an empty span: no options.
 * Errors  S3E_E_INPUT (not a JSON object, a wrong type, an unknown key: the
 *         known ones are named), S3E_E_NOMEM. Strings written before a failure
 *         are the caller's to free. */
S3E_MUST_CHECK s3e_rc s3e_options_read(const struct s3e_option *options,
    size_t num_options, struct s3e_span json, struct s3e_err *err);

/* Of jansson, "2.14", for s3embed_debug(). */
const char *s3e_options_version(void);

#endif
