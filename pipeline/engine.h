/* pipeline/engine.h - the computing threads of the process, shared by all
 * windows: started at the first look-ahead, stopped when the last connection
 * closes and at exit; inert in a forked child, which starts its own. */
#ifndef S3E_PIPELINE_ENGINE_H
#define S3E_PIPELINE_ENGINE_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Computing threads beside the caller's: CPUs this process may use less one. */
int s3e_engine_threads(void);

/* Stops and joins the threads; the next look-ahead starts them again. Not from
 * a computing thread. Windows must be free or idle (their calls may still
 * compute on the caller's thread). */
void s3e_engine_shutdown(void);

/* Counters of all windows of the process, for s3_stats. */
struct s3e_engine_stats {
    uint64_t fetched, asked, wasted; /* rows */
    uint64_t made, made_ahead;       /* vectors; those made before the ask */
    uint64_t waited_us;              /* readers waiting without work */
};
struct s3e_engine_stats s3e_engine_stats(void);

/* Adds to one of them: pipeline/'s own. */
enum s3e_engine_counter {
    S3E_COUNT_FETCHED,
    S3E_COUNT_ASKED,
    S3E_COUNT_WASTED,
    S3E_COUNT_MADE,
    S3E_COUNT_MADE_AHEAD,
    S3E_COUNT_WAITED_US,
    S3E_NUM_COUNTERS
};
void s3e_engine_count(enum s3e_engine_counter counter, uint64_t n);

#endif
