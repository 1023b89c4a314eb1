/* latch.h - a door that opens once: a thread waits for what another ends. */
#ifndef S3E_S3VFS_LATCH_H
#define S3E_S3VFS_LATCH_H

#include "base/sync.h"

#include <stdbool.h>

struct s3e_latch {
    struct s3e_mutex lock;
    struct s3e_cond opened;
    struct {
        bool open;
    } locked;
};

S3E_MUST_CHECK s3e_rc s3e_latch_init(
    struct s3e_latch *latch, struct s3e_err *err);

/* Once s3e_latch_wait has returned true, the opener touches it no more. */
void s3e_latch_deinit(struct s3e_latch *latch);

void s3e_latch_open(struct s3e_latch *latch);
bool s3e_latch_is_open(struct s3e_latch *latch);

/* Waits until it is open: true. `stop(ctx)` is asked every 20 ms at most, on
 * this thread and without the lock; where it says true first: false. stop may
 * be NULL. */
bool s3e_latch_wait(
    struct s3e_latch *latch, bool (*stop)(void *ctx), void *ctx);

#endif
