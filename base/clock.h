/* base/clock.h - the two clocks. Pure code takes time as an argument; only the
 * edges (transport, engine, ext) read it here. */
#ifndef S3E_BASE_CLOCK_H
#define S3E_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Monotonic, from an arbitrary start. */
int64_t s3e_clock_us(void);
int64_t s3e_clock_ms(void);

/* Seconds since 1970-01-01 00:00 UTC. */
int64_t s3e_clock_unix(void);

/* Writes `unix_s` as 2015-08-30T12:36:00Z, or with `basic` 20150830T123600Z.
 * Years 0..9999; others are clamped. */
enum { S3E_TIME_LEN = 20 }; /* bytes, without the NUL */
void s3e_time_format(char out[S3E_TIME_LEN + 1], int64_t unix_s, int basic);

/* Reads YYYY-MM-DDTHH:MM:SS with an optional fraction and Z or +00:00 (RFC
 * 3339, UTC); returns 0 and leaves `*unix_s` where it is not one. */
int s3e_time_parse_iso(int64_t *unix_s, const char *text, size_t len);

/* Reads an HTTP date, Sun, 06 Nov 1994 08:49:37 GMT (RFC 9110, IMF-fixdate);
 * returns 0 where it is not one. */
int s3e_time_parse_http(int64_t *unix_s, const char *text, size_t len);

#endif
