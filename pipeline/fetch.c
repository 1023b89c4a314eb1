#include "pipeline/fetch.h"

#include "base/mem.h"
#include "pipeline/engine.h"
#include "pipeline/make.h"

#include <assert.h>

/* The fetch whose cancel this thread is in: its end may come inline. */
static _Thread_local const struct s3e_fetch *t_cancelling;

/* The blob of a row and all that is made of it. */
static void charge(struct s3e_fetch *slot, size_t bytes)
{
    struct s3e_window *w = slot->window;
    w->locked.load.bytes += bytes - slot->charged;
    slot->charged = bytes;
}

static size_t cost_of(const struct s3e_fetch *slot)
{
    const struct s3e_window *w = slot->window;
    return s3e_policy_guess(&w->locked.policy, slot->listed) +
           w->locked.vector_bytes;
}

static struct s3e_fetch *due(const struct s3e_window *w)
{
    struct s3e_fetch *front = w->locked.head;
    if (w->locked.closed || !front) {
        return NULL;
    }
    if (front->asked && front->state == S3E_LISTED) {
        return front;
    }
    struct s3e_fetch *slot = w->locked.listed;
    return slot && s3e_policy_may_fetch(&w->locked.policy, &w->limits,
                       &w->locked.load, cost_of(slot))
               ? slot
               : NULL;
}

static void begin(struct s3e_fetch *slot)
{
    struct s3e_window *w = slot->window;
    if (slot == w->locked.listed) {
        w->locked.listed = slot->next;
    }
    slot->state = S3E_FETCHING;
    slot->starting = true;
    charge(slot, cost_of(slot));
    w->locked.load.in_flight++;
    w->locked.load.ahead += !slot->asked;
    w->locked.policy.fetched++;
    s3e_engine_count(S3E_COUNT_FETCHED, 1);
    s3e_slots_ref(w);
}

static void cancel(struct s3e_fetch *slot)
{
    struct s3e_window *w = slot->window;
    const struct s3e_fetch *outer = t_cancelling;
    slot->cancelling = true;
    s3e_slots_unlock(w);
    t_cancelling = slot;
    w->source.cancel(w->source.ctx, slot->token);
    t_cancelling = outer;
    s3e_slots_lock(w);
    slot->cancelling = false;
    s3e_slots_changed_locked(w);
}

void s3e_fetch_leave_locked(struct s3e_fetch *slot)
{
    if (slot->state == S3E_FETCHING && slot->starting) {
        slot->unwanted = true;
        return;
    }
    if (slot->state == S3E_FETCHING) {
        cancel(slot);
    }
    s3e_slots_release_locked(slot);
}

void s3e_fetch_pump_locked(struct s3e_window *window)
{
    struct s3e_window *w = window;
    if (w->locked.pumping) {
        return;
    }
    w->locked.pumping = true;
    for (struct s3e_fetch *slot; (slot = due(w)) != NULL;) {
        begin(slot);
        s3e_slots_unlock(w);
        w->source.start(w->source.ctx, slot, slot->item, &slot->token);
        s3e_slots_lock(w);
        slot->starting = false;
        if (slot->unwanted) {
            s3e_fetch_leave_locked(slot);
        } else {
            s3e_slots_release_locked(slot);
        }
    }
    w->locked.pumping = false;
}

void s3e_fetch_forget_locked(struct s3e_fetch *slot)
{
    assert(slot->state == S3E_FETCH_FAILED);
    s3e_free(slot->err);
    slot->err = NULL;
    slot->state = S3E_LISTED;
}

static struct s3e_err *copy_err(const struct s3e_err *err)
{
    struct s3e_err *copy = NULL;
    if (S3E_NEW(copy)) {
        *copy = *err;
    }
    return copy;
}

/* Cancel may still use its token until it returns, unless it is what called
 * us. */
static void wait_for_cancel(struct s3e_fetch *fetch)
{
    while (fetch->cancelling && t_cancelling != fetch) {
        s3e_cond_wait(&fetch->window->changed, &fetch->window->lock);
    }
}

void s3e_fetch_done(struct s3e_fetch *fetch, s3e_rc rc, struct s3e_blob *blob,
    const struct s3e_err *err, int64_t us)
{
    struct s3e_window *w = fetch->window;
    struct s3e_err *kept = rc ? copy_err(err) : NULL;
    assert(rc || blob);
    s3e_slots_lock(w);
    wait_for_cancel(fetch);
    assert(fetch->state == S3E_FETCHING);
    fetch->state = rc ? S3E_FETCH_FAILED : S3E_FETCHED;
    fetch->rc = rc;
    fetch->err = kept;
    fetch->blob = blob;
    w->locked.load.in_flight--;
    charge(fetch, rc ? 0 : blob->len + w->locked.vector_bytes);
    if (rc == S3E_OK) {
        s3e_policy_came(&w->locked.policy, us, blob->len);
    }
    if (fetch->in_row) {
        s3e_make_post_locked(fetch);
        if (fetch == w->locked.head && w->locked.waiting) {
            s3e_slots_changed_locked(w);
        }
    }
    s3e_slots_release_locked(fetch);
    s3e_fetch_pump_locked(w);
    s3e_slots_unlock(w);
    s3e_slots_unref(w);
}
