#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id, int64_t per_s)
{
    struct timespec now;
    if (clock_gettime(id, &now) != 0) {
        return 0;
    }
    return (int64_t)now.tv_sec * per_s + now.tv_nsec / (1000000000 / per_s);
}

int64_t s3e_clock_us(void)
{
    return read_clock(CLOCK_MONOTONIC, 1000000);
}

int64_t s3e_clock_ms(void)
{
    return read_clock(CLOCK_MONOTONIC, 1000);
}

int64_t s3e_clock_unix(void)
{
    return read_clock(CLOCK_REALTIME, 1);
}

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back: years
 * are counted from March, so that leap days come last. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    year -= month <= 2;
    const int64_t era = (year >= 0 ? year : year - 399) / 400;
    const int64_t of_era = year - era * 400;
    const int64_t of_year =
        (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const int64_t days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return era * 146097 + days - 719468;
}

struct date {
    int64_t year;
    int month, day;
};

static struct date date_from_days(int64_t days)
{
    days += 719468;
    const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    const int64_t of_era = days - era * 146097;
    const int64_t year =
        (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    const int64_t march = (5 * of_year + 2) / 153;
    const int month = (int)(march < 10 ? march + 3 : march - 9);
    return (struct date){year + era * 400 + (month <= 2), month,
        (int)(of_year - (153 * march + 2) / 5 + 1)};
}

void s3e_time_format(char out[S3E_TIME_LEN + 1], int64_t unix_s, int basic)
{
    const int64_t first = -62167219200, last = 253402300799; /* years 0, 9999 */
    const int64_t t = unix_s < first ? first : unix_s > last ? last : unix_s;
    const int64_t days = (t >= 0 ? t : t - 86399) / 86400;
    const unsigned s = (unsigned)(t - days * 86400);
    const struct date d = date_from_days(days);
    const unsigned year = (unsigned)d.year % 10000;
    const unsigned month = (unsigned)d.month % 100, day = (unsigned)d.day % 100;
    const char *fmt =
        basic ? "%04u%02u%02uT%02u%02u%02uZ" : "%04u-%02u-%02uT%02u:%02u:%02uZ";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(out, S3E_TIME_LEN + 1, fmt, year, month, day, s / 3600 % 24,
        s / 60 % 60, s % 60);
#pragma GCC diagnostic pop
}

/* Reads `n` decimal digits; -1 where there is another byte. */
static int digits(const char *text, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        value = 10 * value + (text[i] - '0');
    }
    return value;
}

static int compose(
    int64_t *unix_s, int year, int month, int day, const char *hms)
{
    const int h = digits(hms, 2), m = digits(hms + 3, 2),
              s = digits(hms + 6, 2);
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || h < 0 ||
        h > 23 || m < 0 || m > 59 || s < 0 || s > 60 || hms[2] != ':' ||
        hms[5] != ':') {
        return 0;
    }
    *unix_s = days_from_date(year, month, day) * 86400 + (int64_t)h * 3600 +
              (int64_t)m * 60 + s;
    return 1;
}

int s3e_time_parse_iso(int64_t *unix_s, const char *text, size_t len)
{
    enum { BARE = 19 }; /* 2015-08-30T12:36:00 */
    if (len <= BARE || text[4] != '-' || text[7] != '-' || text[10] != 'T') {
        return 0;
    }
    size_t i = BARE;
    if (text[i] == '.') {
        for (i++; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
        }
    }
    const size_t left = len - i;
    if (!(left == 1 && text[i] == 'Z') &&
        !(left == 6 && memcmp(text + i, "+00:00", 6) == 0)) {
        return 0;
    }
    return compose(unix_s, digits(text, 4), digits(text + 5, 2),
        digits(text + 8, 2), text + 11);
}

int s3e_time_parse_http(int64_t *unix_s, const char *text, size_t len)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (len != 29 || text[3] != ',' || memcmp(text + 25, " GMT", 4) != 0) {
        return 0;
    }
    for (size_t i = 0; i < 12; i++) {
        if (memcmp(months + 3 * i, text + 8, 3) == 0) {
            return compose(unix_s, digits(text + 12, 4), (int)i + 1,
                digits(text + 5, 2), text + 17);
        }
    }
    return 0;
}
