/* pipeline/pool.h - the computing threads of the process and who may compute
 * now: never more threads than CPUs, callers that help included. Inner to
 * pipeline/; engine.h is its face. */
#ifndef S3E_PIPELINE_POOL_H
#define S3E_PIPELINE_POOL_H

#include <stdbool.h>

/* Whoever has jobs: one a window. Clients take turns, a job each. */
struct s3e_pool_client {
    /* Counts a reference. Called under the pool's lock. */
    void (*hold)(struct s3e_pool_client *client);
    /* Does one job if there still is one, then drops that reference. Called
     * without a lock on a computing thread. */
    void (*work)(struct s3e_pool_client *client);
    struct {
        struct s3e_pool_client *prev, *next;
        unsigned tickets; /* jobs that no thread has come for */
    } pool;               /* the pool's; zero at first */
};

/* Says that `client` has one more job, wakes or starts a thread for it and
 * returns whether one comes soon; else whoever is free should do it. Threads:
 * the CPUs less one, as callers compute too; as many as CPUs for jobs that
 * callers leave alone (`alone`). Thread any. */
bool s3e_pool_post(struct s3e_pool_client *client, bool alone);

/* Says that `count` jobs were done or dropped by others. */
void s3e_pool_withdraw(struct s3e_pool_client *client, unsigned count);

/* No thread will come for `client` that has not counted its reference. */
void s3e_pool_leave(struct s3e_pool_client *client);

/* A caller begins to compute. False: as many threads compute as there are CPUs,
 * and not `must`. After true, s3e_pool_exit follows. */
bool s3e_pool_enter(bool must);
void s3e_pool_exit(void);

/* Threads that live. */
int s3e_pool_threads(void);

/* Ends and joins the threads; `for_good`: no more are started. */
void s3e_pool_stop(bool for_good);

/* Counts up in each child of fork, so that what its parent made is known by an
 * older number. */
unsigned s3e_pool_forks(void);

/* CPUs this process may use, read at first use. */
int s3e_pool_cpus(void);

#endif
