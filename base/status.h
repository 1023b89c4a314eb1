/* base/status.h - what every fallible call in the house returns. */
#ifndef S3E_BASE_STATUS_H
#define S3E_BASE_STATUS_H

#if defined(__GNUC__)
# define S3E_MUST_CHECK   __attribute__((warn_unused_result))
# define S3E_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
# define S3E_MUST_CHECK
# define S3E_PRINTF(f, a)
#endif

/* ext/error.c maps these to SQLite's codes, and says which of them concern one
 * object only, so that `on_error` may turn them into NULL. */
typedef enum s3e_rc {
    S3E_OK = 0,
    S3E_E_NOMEM,       /* an allocation failed */
    S3E_E_INPUT,       /* an argument, uri, option or setting is wrong */
    S3E_E_RANGE,       /* a number is out of its documented bounds */
    S3E_E_LIMIT,       /* larger than a documented cap */
    S3E_E_FORMAT,      /* an image, model, XML or JSON is malformed */
    S3E_E_NOTFOUND,    /* no such object, file or bucket */
    S3E_E_CHANGED,     /* the object is not the one that was listed */
    S3E_E_DENIED,      /* this object or bucket is refused to us */
    S3E_E_AUTH,        /* no credentials, or the store rejects them */
    S3E_E_IO,          /* the store answered badly; attempts are spent */
    S3E_E_UNREACHABLE, /* no answer: DNS, connection, TLS, time-out */
    S3E_E_CRYPTO,      /* OpenSSL refused */
    S3E_E_STOPPED      /* interrupted, cancelled or shutting down */
} s3e_rc;

/* Why the last call given this struct failed: fixed size, so that reporting a
 * lack of memory needs none. Meaningful only after a return other than
 * S3E_OK. */
struct s3e_err {
    char code[48]; /* the store's own word (AccessDenied), or "" */
    char msg[592]; /* one sentence, UTF-8, no secret, no newline */
};

/* Formats the reason into `err`, clears its code and returns `rc`, so callers
 * can write `return s3e_fail(...)`. Bytes below 0x20 and 0x7f become '?', a cut
 * ends on a whole UTF-8 character. */
s3e_rc s3e_fail(struct s3e_err *err, s3e_rc rc, const char *fmt, ...)
    S3E_PRINTF(3, 4);

/* Puts "<formatted text>: " before the sentence that `err` holds; returns
 * `rc`. */
s3e_rc s3e_prefix(struct s3e_err *err, s3e_rc rc, const char *fmt, ...)
    S3E_PRINTF(3, 4);

/* Both return the `rc` they are given; the analyzer does not see into them. */
#ifdef __clang_analyzer__
# define s3e_fail(err, rc, ...) ((void)(s3e_fail)(err, rc, __VA_ARGS__), (rc))
# define s3e_prefix(err, rc, ...)                                              \
  ((void)(s3e_prefix)(err, rc, __VA_ARGS__), (rc))
#endif

#endif
