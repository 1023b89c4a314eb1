/* s3vfs/number.h - settings that arrive as text. No locale, no spaces. */
#ifndef S3E_S3VFS_NUMBER_H
#define S3E_S3VFS_NUMBER_H

#include "base/span.h"

/* Decimal digits, min..max; false leaves `*out`. */
bool s3e_number_uint(
    unsigned *out, struct s3e_span text, unsigned min, unsigned max);

/* Seconds, 0.001 to 3,600, with at most three decimals ("3.1"), as
 * milliseconds; false leaves `*ms`. */
bool s3e_number_seconds(int *ms, struct s3e_span text);

/* 0, 1, true, false in any case; false leaves `*out`. */
bool s3e_number_bool(bool *out, struct s3e_span text);

#endif
