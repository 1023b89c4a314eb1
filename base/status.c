#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One printable line: control bytes become '?', and a multi-byte character
 * that vsnprintf cut at the end goes. */
static void tidy(char *msg, size_t room)
{
    size_t len = strlen(msg);
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)msg[i];
        if (c < 0x20 || c == 0x7f) {
            msg[i] = '?';
        }
    }
    if (len + 1 < room) {
        return;
    }
    size_t start = len;
    while (start > 0 && ((unsigned char)msg[start - 1] & 0xc0) == 0x80) {
        start--;
    }
    if (start > 0 && (unsigned char)msg[start - 1] >= 0xc0) {
        start--;
    }
    msg[start] = '\0';
}

S3E_PRINTF(2, 0)
static void format(struct s3e_err *err, const char *fmt, va_list ap)
{
    (void)vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    tidy(err->msg, sizeof err->msg);
}

s3e_rc(s3e_fail)(struct s3e_err *err, s3e_rc rc, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err->code[0] = '\0';
    format(err, fmt, ap);
    va_end(ap);
    return rc;
}

s3e_rc(s3e_prefix)(struct s3e_err *err, s3e_rc rc, const char *fmt, ...)
{
    const struct s3e_err old = *err;
    va_list ap;
    va_start(ap, fmt);
    format(err, fmt, ap);
    va_end(ap);
    const size_t len = strlen(err->msg);
    (void)snprintf(err->msg + len, sizeof err->msg - len, ": %s", old.msg);
    tidy(err->msg, sizeof err->msg);
    return rc;
}
