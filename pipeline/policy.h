/* pipeline/policy.h - how far ahead of the reader to fetch, as a pure function
 * of what happened so far: no clock, no lock, no allocation.
 *
 * Three rules, the strictest wins:
 * earned   after n rows asked, n minus those wasted may be ahead: a statement
 *          that stops early has never fetched more than twice what it used;
 * wanted   rows that pass without asking shrink it, so that at most a tenth of
 *          what is fetched is wasted; below one asked in eight, none is ahead;
 * bounded  by bytes, by fetches in flight, by a LIMIT, and by a depth of rows:
 *          twice what the reader takes during a slow fetch (99th percentile)
 *          and the job that follows it.
 */
#ifndef S3E_PIPELINE_POLICY_H
#define S3E_PIPELINE_POLICY_H

#include "pipeline/window.h"

enum {
    S3E_DEPTH_MIN = 32, /* rows ahead, whatever was measured */
    S3E_DEPTH_MAX = 4096,
    S3E_LATENCY_BUCKETS = 108 /* four a doubling, up to 2^27 us */
};

/* Times of fetches as a histogram whose buckets grow by a fifth. Old times
 * fade: past 1,024 all counts are halved. Zero state: all zeros. */
struct s3e_latency {
    unsigned count;
    uint16_t bucket[S3E_LATENCY_BUCKETS];
};

void s3e_latency_add(struct s3e_latency *latency, int64_t us);

/* The time that `per_mille` of a thousand fetches stay under, at most a quarter
 * too long; 0 where nothing was added. */
int64_t s3e_latency_quantile(
    const struct s3e_latency *latency, unsigned per_mille);

/* How often something is asked of recent rows: 0..1, and whether that is
 * enough to do it ahead. */
struct s3e_demand {
    double share;
    bool hot;
};

/* A row asked, or passed without. Gets hot at a half, cold under 3/8: work in
 * vain costs only time of CPUs, unlike a fetch. */
void s3e_demand_row(struct s3e_demand *demand, bool asked);

/* Zero state: all zeros, then s3e_policy_init. */
struct s3e_policy {
    uint64_t asked;   /* rows */
    uint64_t fetched; /* rows whose fetch was begun */
    uint64_t wasted;  /* of these, left without asking */
    uint64_t run;     /* rows asked since one passed without */
    double share;     /* asked of recent rows, 0..1 */
    double rows_per_s;
    int64_t rate_us; /* when rows_per_s was last measured */
    uint64_t rate_asked;
    int64_t slow_us; /* 99th percentile of a fetch */
    int64_t job_us;  /* moving mean of what is made of a row; 0: nothing */
    struct s3e_latency latency;
    uint64_t sizes; /* fetches that came, and their mean size */
    double mean_bytes;
};

void s3e_policy_init(struct s3e_policy *policy);

/* A row's first ask, at `now_us`. */
void s3e_policy_ask(struct s3e_policy *policy, int64_t now_us);

/* The reader left a row that did not ask. `fetched`: a fetch was begun. */
void s3e_policy_pass(struct s3e_policy *policy, bool fetched);

/* A fetch ended well: its time and its bytes. */
void s3e_policy_came(struct s3e_policy *policy, int64_t us, size_t bytes);

/* Something was made of a row ahead of or at the reader, in `us`. */
void s3e_policy_made(struct s3e_policy *policy, int64_t us);

/* Bytes to expect of a row: as listed, or the mean of those that came. */
size_t s3e_policy_guess(const struct s3e_policy *policy, int64_t listed);

/* Rows that may be in flight or waiting beyond those that asked. */
size_t s3e_policy_ahead(
    const struct s3e_policy *policy, const struct s3e_window_limits *limits);

/* What is in flight or waiting now. */
struct s3e_load {
    size_t ahead;     /* rows begun that have not asked */
    size_t in_flight; /* fetches */
    size_t bytes;     /* of bodies in flight or waiting */
};

/* Whether one more row, of `bytes`, may be fetched before it asks. */
bool s3e_policy_may_fetch(const struct s3e_policy *policy,
    const struct s3e_window_limits *limits, const struct s3e_load *load,
    size_t bytes);

#endif
