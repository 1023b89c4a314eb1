#include "s3vfs/retry.h"

static bool among(struct s3e_span code, const char *const *words)
{
    for (; *words; words++) {
        if (s3e_span_eq(code, s3e_span_str(*words))) {
            return true;
        }
    }
    return false;
}

static bool throttled(const struct s3e_retry_facts *f)
{
    static const char *const words[] = {"SlowDown", "Throttling",
        "ThrottlingException", "RequestLimitExceeded", "TooManyRequests",
        "BandwidthLimitExceeded", "RequestThrottled", NULL};
    return f->status == 429 || f->status == 503 || among(f->code, words);
}

static bool transient(const struct s3e_retry_facts *f)
{
    if (f->rc != S3E_OK) {
        return f->rc == S3E_E_UNREACHABLE || f->rc == S3E_E_IO;
    }
    static const char *const words[] = {
        "RequestTimeout", "InternalError", "ServiceUnavailable", NULL};
    return f->status == 500 || f->status == 502 || f->status == 504 ||
           among(f->code, words);
}

int s3e_retry_wait_ms(const struct s3e_retry_facts *facts, double dice)
{
    const bool slow = facts->rc == S3E_OK && throttled(facts);
    if (facts->attempts >= facts->max_attempts || !(slow || transient(facts))) {
        return -1;
    }
    int bound = slow ? S3E_RETRY_SLOW_MS : S3E_RETRY_BASE_MS;
    for (unsigned i = 1; i < facts->attempts && bound < S3E_RETRY_CAP_MS; i++) {
        bound *= 2;
    }
    bound = bound < S3E_RETRY_CAP_MS ? bound : S3E_RETRY_CAP_MS;
    const int wait = (int)(dice * (double)bound);
    const int64_t cap_s = S3E_RETRY_CAP_MS / 1000;
    const int64_t after_s = facts->after_s < cap_s ? facts->after_s : cap_s;
    const int asked = after_s > 0 ? (int)after_s * 1000 : 0;
    return wait > asked ? wait : asked;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
double s3e_retry_dice(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    x ^= x >> 31;
    return (double)(x >> 11) * 0x1p-53;
}
