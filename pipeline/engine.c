#include "pipeline/engine.h"

#include "pipeline/pool.h"

#include <stdatomic.h>

static atomic_uint_fast64_t g_counters[S3E_NUM_COUNTERS];

int s3e_engine_threads(void)
{
    return s3e_pool_cpus() - 1;
}

void s3e_engine_shutdown(void)
{
    s3e_pool_stop(false);
}

void s3e_engine_count(enum s3e_engine_counter counter, uint64_t n)
{
    if (n > 0) {
        atomic_fetch_add_explicit(
            &g_counters[counter], n, memory_order_relaxed);
    }
}

static uint64_t read_counter(enum s3e_engine_counter counter)
{
    return atomic_load_explicit(&g_counters[counter], memory_order_relaxed);
}

struct s3e_engine_stats s3e_engine_stats(void)
{
    return (struct s3e_engine_stats){
        .fetched = read_counter(S3E_COUNT_FETCHED),
        .asked = read_counter(S3E_COUNT_ASKED),
        .wasted = read_counter(S3E_COUNT_WASTED),
        .made = read_counter(S3E_COUNT_MADE),
        .made_ahead = read_counter(S3E_COUNT_MADE_AHEAD),
        .waited_us = read_counter(S3E_COUNT_WAITED_US),
    };
}
