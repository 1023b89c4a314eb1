#include "s3vfs/latch.h"

enum { LOOK_MS = 20 };

s3e_rc s3e_latch_init(struct s3e_latch *latch, struct s3e_err *err)
{
    latch->locked.open = false;
    s3e_rc rc = s3e_mutex_init(&latch->lock, err);
    if (rc) {
        return rc;
    }
    rc = s3e_cond_init(&latch->opened, err);
    if (rc) {
        s3e_mutex_deinit(&latch->lock);
    }
    return rc;
}

void s3e_latch_deinit(struct s3e_latch *latch)
{
    s3e_cond_deinit(&latch->opened);
    s3e_mutex_deinit(&latch->lock);
}

void s3e_latch_open(struct s3e_latch *latch)
{
    s3e_mutex_lock(&latch->lock);
    latch->locked.open = true;
    s3e_cond_broadcast(&latch->opened);
    s3e_mutex_unlock(&latch->lock);
}

bool s3e_latch_is_open(struct s3e_latch *latch)
{
    s3e_mutex_lock(&latch->lock);
    const bool open = latch->locked.open;
    s3e_mutex_unlock(&latch->lock);
    return open;
}

/* One wait: for ever, or as long as `stop` may go unasked. */
static bool wait_once(struct s3e_latch *latch, bool for_ever)
{
    s3e_mutex_lock(&latch->lock);
    if (for_ever) {
        while (!latch->locked.open) {
            s3e_cond_wait(&latch->opened, &latch->lock);
        }
    } else if (!latch->locked.open) {
        s3e_cond_wait_ms(&latch->opened, &latch->lock, LOOK_MS);
    }
    const bool open = latch->locked.open;
    s3e_mutex_unlock(&latch->lock);
    return open;
}

bool s3e_latch_wait(struct s3e_latch *latch, bool (*stop)(void *ctx), void *ctx)
{
    while (!wait_once(latch, stop == NULL)) {
        if (stop && stop(ctx)) {
            return false;
        }
    }
    return true;
}
