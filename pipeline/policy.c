#include "pipeline/policy.h"

enum {
    LATENCY_FADE = 1024,  /* fetches */
    SLOW_EVERY = 16,      /* fetches between looks at the quantile */
    RATE_US = 100000,     /* between measurements of the reader's rate */
    GUESS_BYTES = 1 << 18 /* before the first body came */
};

static const double waste_allowed = 0.1;  /* of what is fetched */
static const double share_least = 0.125;  /* asked, to look ahead at all */
static const double depth_headroom = 2.0; /* else depth feeds on itself */

/* Bucket 4 * e + q holds [2^e * (1 + q/4), 2^e * (1 + (q+1)/4)). */
static unsigned bucket_of(int64_t us)
{
    unsigned exponent = 0;
    const uint64_t value = us > 0 ? (uint64_t)us : 1;
    while (value >> (exponent + 1)) {
        exponent++;
    }
    const uint64_t quarter = exponent >= 2 ? (value >> (exponent - 2)) & 3 : 0;
    const unsigned i = 4 * exponent + (unsigned)quarter;
    return i < S3E_LATENCY_BUCKETS ? i : S3E_LATENCY_BUCKETS - 1;
}

static int64_t bucket_end(unsigned i)
{
    return ((int64_t)(5 + i % 4) << (i / 4)) / 4 + 1;
}

void s3e_latency_add(struct s3e_latency *latency, int64_t us)
{
    if (latency->count >= LATENCY_FADE) {
        latency->count = 0;
        for (unsigned i = 0; i < S3E_LATENCY_BUCKETS; i++) {
            latency->bucket[i] /= 2;
            latency->count += latency->bucket[i];
        }
    }
    latency->bucket[bucket_of(us)]++;
    latency->count++;
}

int64_t s3e_latency_quantile(
    const struct s3e_latency *latency, unsigned per_mille)
{
    if (latency->count == 0) {
        return 0;
    }
    const unsigned want = (latency->count * per_mille + 999) / 1000;
    unsigned seen = 0, i = 0;
    for (; i < S3E_LATENCY_BUCKETS - 1; i++) {
        seen += latency->bucket[i];
        if (seen >= want) {
            break;
        }
    }
    return bucket_end(i);
}

void s3e_demand_row(struct s3e_demand *demand, bool asked)
{
    demand->share += ((asked ? 1.0 : 0.0) - demand->share) / 8;
    demand->hot = demand->share >= (demand->hot ? 0.375 : 0.5);
}

void s3e_policy_init(struct s3e_policy *policy)
{
    *policy = (struct s3e_policy){.share = 1};
}

static void measure_rate(struct s3e_policy *p, int64_t now_us)
{
    if (p->asked == 1) {
        p->rate_us = now_us;
        p->rate_asked = p->asked;
        return;
    }
    const int64_t us = now_us - p->rate_us;
    if (us < RATE_US) {
        return;
    }
    const double now = (double)(p->asked - p->rate_asked) * 1e6 / (double)us;
    const double kept = p->rows_per_s * 7 / 8; /* a stall is no slow reader */
    p->rows_per_s = now > kept ? now : kept;
    p->rate_us = now_us;
    p->rate_asked = p->asked;
}

void s3e_policy_ask(struct s3e_policy *policy, int64_t now_us)
{
    policy->asked++;
    policy->run++;
    policy->share += (1 - policy->share) / 16;
    measure_rate(policy, now_us);
}

void s3e_policy_pass(struct s3e_policy *policy, bool fetched)
{
    policy->run = 0;
    policy->share -= policy->share / 16;
    policy->wasted += fetched;
}

void s3e_policy_came(struct s3e_policy *policy, int64_t us, size_t bytes)
{
    struct s3e_policy *p = policy;
    s3e_latency_add(&p->latency, us);
    if (p->sizes % SLOW_EVERY == 0 || p->sizes < SLOW_EVERY) {
        p->slow_us = s3e_latency_quantile(&p->latency, 990);
    }
    p->sizes++;
    p->mean_bytes += ((double)bytes - p->mean_bytes) / (double)p->sizes;
}

void s3e_policy_made(struct s3e_policy *policy, int64_t us)
{
    const int64_t mean = policy->job_us;
    policy->job_us = mean ? (3 * mean + us) / 4 : us;
}

size_t s3e_policy_guess(const struct s3e_policy *policy, int64_t listed)
{
    if (listed >= 0) {
        return (size_t)listed;
    }
    return policy->sizes ? (size_t)policy->mean_bytes : GUESS_BYTES;
}

/* The statement may stop now: then 2 * asked were fetched at most. */
static uint64_t earned(const struct s3e_policy *p)
{
    return p->asked > p->wasted ? p->asked - p->wasted : 0;
}

/* Rows ahead such that the waste to expect stays within what is allowed of all
 * that is fetched then. Over it already, a run of asks earns trust anew: a row
 * ahead for eight, which wastes a ninth where the run ends. */
static double wanted(const struct s3e_policy *p)
{
    if (p->share < share_least) {
        return 0;
    }
    const double settled = (double)(p->asked + p->wasted);
    const double left = waste_allowed * settled - (double)p->wasted;
    const double cost = 1 - p->share - waste_allowed; /* of a row ahead */
    const double trust = (double)p->run / 8;
    if (left < 0 || cost > 0) {
        const double rows = left > 0 ? left / cost : 0;
        return rows > trust ? rows : trust;
    }
    return S3E_DEPTH_MAX;
}

static double depth(const struct s3e_policy *p)
{
    const double us = (double)(p->slow_us + p->job_us);
    const double rows = depth_headroom * p->rows_per_s * us / 1e6;
    const double least = S3E_DEPTH_MIN, most = S3E_DEPTH_MAX;
    return rows < least ? least : rows > most ? most : rows;
}

size_t s3e_policy_ahead(
    const struct s3e_policy *policy, const struct s3e_window_limits *limits)
{
    if (!limits->prefetch) {
        return 0;
    }
    double rows = depth(policy);
    const double want = wanted(policy);
    rows = want < rows ? want : rows;
    const uint64_t most = earned(policy);
    return (double)most < rows ? (size_t)most : (size_t)rows;
}

bool s3e_policy_may_fetch(const struct s3e_policy *policy,
    const struct s3e_window_limits *limits, const struct s3e_load *load,
    size_t bytes)
{
    return load->in_flight < limits->max_fetches &&
           (limits->max_rows == 0 || policy->fetched < limits->max_rows) &&
           load->bytes <= limits->max_bytes &&
           bytes <= limits->max_bytes - load->bytes &&
           load->ahead < s3e_policy_ahead(policy, limits);
}
