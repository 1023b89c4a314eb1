#include "pipeline/window.h"

#include "base/clock.h"
#include "base/mem.h"
#include "pipeline/engine.h"
#include "pipeline/fetch.h"
#include "pipeline/make.h"

#include <assert.h>

s3e_rc s3e_window_new(struct s3e_window **out, const struct s3e_source *source,
    const struct s3e_window_limits *limits, struct s3e_err *err)
{
    struct s3e_window *w = NULL;
    if (!S3E_NEW(w)) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a window of rows");
    }
    s3e_rc rc = s3e_mutex_init(&w->lock, err);
    if (rc) {
        goto no_mutex;
    }
    rc = s3e_cond_init(&w->changed, err);
    if (rc) {
        goto no_cond;
    }
    w->source = *source;
    w->limits = *limits;
    w->forks = s3e_pool_forks();
    atomic_init(&w->refs, 1);
    s3e_policy_init(&w->locked.policy);
    s3e_make_join_pool(w);
    *out = w;
    return S3E_OK;

no_cond:
    s3e_mutex_deinit(&w->lock);
no_mutex:
    s3e_free(w);
    return rc;
}

/* A forked child has the parent's window, whose lock another thread of the
 * parent may have held and whose fetches end in the parent. */
static bool is_foreign(const struct s3e_window *w)
{
    return w->forks != s3e_pool_forks();
}

static s3e_rc fail_foreign(struct s3e_err *err)
{
    return s3e_fail(err, S3E_E_STOPPED,
        "this statement was begun before fork: begin it in the child");
}

s3e_rc s3e_window_check_fork(
    const struct s3e_window *window, struct s3e_err *err)
{
    return is_foreign(window) ? fail_foreign(err) : S3E_OK;
}

/* What the reader knows without the lock. */
static void note(struct s3e_window *w)
{
    w->reader.front = w->locked.head;
    w->reader.ahead = s3e_policy_ahead(&w->locked.policy, &w->limits);
}

/* Lets the lock go meanwhile, as a fetch under way is cancelled. */
static void leave_front(struct s3e_window *w)
{
    struct s3e_fetch *slot = w->locked.head;
    assert(slot);
    w->locked.head = slot->next;
    if (w->locked.tail == slot) {
        w->locked.tail = NULL;
    }
    if (w->locked.listed == slot) {
        w->locked.listed = slot->next;
    }
    if (!slot->asked) {
        const bool begun = slot->state != S3E_LISTED;
        s3e_policy_pass(&w->locked.policy, begun);
        w->locked.load.ahead -= begun;
        s3e_engine_count(S3E_COUNT_WASTED, begun);
    }
    s3e_make_leave_locked(slot);
    slot->in_row = false;
    w->reader.rows--;
    w->reader.given = NULL;
    s3e_fetch_leave_locked(slot);
}

void s3e_window_free(struct s3e_window *window)
{
    struct s3e_window *w = window;
    if (!w || is_foreign(w)) {
        return;
    }
    s3e_slots_lock(w);
    w->locked.closed = true;
    s3e_pool_leave(&w->client);
    while (w->locked.head) {
        leave_front(w);
    }
    s3e_slots_unlock(w);
    s3e_slots_unref(w);
}

size_t s3e_window_room(const struct s3e_window *window)
{
    if (!window->limits.prefetch) {
        return 0;
    }
    const size_t rows = window->reader.rows;
    const size_t want = 1 + 2 * window->reader.ahead + (rows > 0);
    return want > rows ? want - rows : 0;
}

s3e_rc s3e_window_push(
    struct s3e_window *window, void *item, int64_t size, struct s3e_err *err)
{
    struct s3e_window *w = window;
    struct s3e_fetch *slot = NULL;
    if (is_foreign(w)) {
        return fail_foreign(err);
    }
    if (!S3E_NEW(slot)) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a row");
    }
    slot->window = w;
    slot->item = item;
    slot->listed = size;
    slot->in_row = true;
    s3e_slots_lock(w);
    slot->row = w->locked.pushed++;
    if (w->locked.tail) {
        w->locked.tail->next = slot;
    } else {
        w->locked.head = slot;
    }
    w->locked.tail = slot;
    if (!w->locked.listed) {
        w->locked.listed = slot;
    }
    w->reader.rows++;
    s3e_fetch_pump_locked(w);
    note(w);
    s3e_slots_unlock(w);
    return S3E_OK;
}

size_t s3e_window_rows(const struct s3e_window *window)
{
    return window->reader.rows;
}

void *s3e_window_front(const struct s3e_window *window)
{
    return window->reader.front ? window->reader.front->item : NULL;
}

bool s3e_window_owns(
    const struct s3e_window *window, const struct s3e_blob *blob)
{
    return blob && window->reader.given == blob;
}

bool s3e_window_gave_nothing(const struct s3e_window *window)
{
    return window->reader.given && window->reader.given->len == 0;
}

void s3e_window_pop(struct s3e_window *window)
{
    struct s3e_window *w = window;
    if (is_foreign(w)) {
        return;
    }
    s3e_slots_lock(w);
    leave_front(w);
    s3e_fetch_pump_locked(w);
    note(w);
    s3e_slots_unlock(w);
}

static void ask(struct s3e_window *w, struct s3e_fetch *slot)
{
    if (slot->asked) {
        return;
    }
    slot->asked = true;
    w->locked.load.ahead -= slot->state != S3E_LISTED;
    s3e_policy_ask(&w->locked.policy, s3e_clock_us());
    s3e_engine_count(S3E_COUNT_ASKED, 1);
}

/* Whether the row has what is asked: its bytes and, where own >= 0, a vector;
 * or why it has not. */
static bool settle(
    const struct s3e_fetch *slot, int own, s3e_rc *rc, struct s3e_err *err)
{
    const struct s3e_err *why = NULL;
    const enum s3e_made made = own < 0 ? S3E_MADE : slot->made[own].state;
    *rc = S3E_OK;
    if (slot->state == S3E_FETCH_FAILED) {
        *rc = slot->rc;
        why = slot->err;
    } else if (slot->state == S3E_FETCHED && made == S3E_MADE_FAILED) {
        *rc = slot->made[own].rc;
        why = slot->made[own].vec ? &slot->made[own].vec->err : NULL;
    } else {
        return slot->state == S3E_FETCHED && made == S3E_MADE;
    }
    if (why) {
        *err = *why;
    } else {
        (void)s3e_fail(err, *rc, "no memory for a row's bytes or vector");
    }
    return true;
}

/* What failed for want of memory, or was stopped, perhaps while nobody asked,
 * may succeed now. */
static bool forget(struct s3e_fetch *slot, int own, s3e_rc rc)
{
    if (rc != S3E_E_NOMEM && rc != S3E_E_STOPPED) {
        return false;
    }
    if (slot->state == S3E_FETCH_FAILED) {
        s3e_fetch_forget_locked(slot);
    } else {
        s3e_make_forget_locked(slot, own);
    }
    return true;
}

static void nap(struct s3e_window *w, int ms)
{
    const int64_t begun = s3e_clock_us();
    w->locked.waiting = true;
    s3e_cond_wait_ms(&w->changed, &w->lock, ms > 1 ? ms : 1);
    w->locked.waiting = false;
    s3e_engine_count(S3E_COUNT_WAITED_US, (uint64_t)(s3e_clock_us() - begun));
}

static bool is_stopped(struct s3e_window *w, const struct s3e_waiter *waiter)
{
    s3e_slots_unlock(w);
    const bool stop = waiter->stop && waiter->stop(waiter->ctx);
    s3e_slots_lock(w);
    return stop;
}

/* Until the front row has what it asks for, helps or sleeps. */
static s3e_rc await(struct s3e_window *w, int own,
    const struct s3e_waiter *waiter, struct s3e_err *err)
{
    struct s3e_fetch *slot = w->locked.head;
    bool tried = false;
    int64_t looked = s3e_clock_ms();
    assert(slot);
    ask(w, slot);
    for (;;) {
        s3e_rc rc = S3E_OK;
        s3e_fetch_pump_locked(w);
        if (settle(slot, own, &rc, err)) {
            if (rc == S3E_OK || tried || !forget(slot, own, rc)) {
                return rc;
            }
            tried = true;
            continue;
        }
        if (!s3e_make_help_locked(w, own)) {
            nap(w, (int)(looked + S3E_TICK_MS - s3e_clock_ms()));
        }
        if (s3e_clock_ms() - looked >= S3E_TICK_MS / 2) {
            if (is_stopped(w, waiter)) {
                return s3e_fail(err, S3E_E_STOPPED, "interrupted");
            }
            looked = s3e_clock_ms();
        }
    }
}

s3e_rc s3e_window_get(struct s3e_window *window, struct s3e_blob **blob,
    const struct s3e_waiter *waiter, struct s3e_err *err)
{
    struct s3e_window *w = window;
    if (is_foreign(w)) {
        return fail_foreign(err);
    }
    s3e_slots_lock(w);
    const s3e_rc rc = await(w, -1, waiter, err);
    if (rc == S3E_OK) {
        *blob = s3e_blob_ref(w->locked.head->blob);
        w->reader.given = *blob;
    }
    note(w);
    s3e_slots_unlock(w);
    return rc;
}

static s3e_rc make_in_place(struct s3e_window *w, float *out,
    const struct s3e_maker *maker, const struct s3e_waiter *waiter,
    struct s3e_err *err)
{
    struct s3e_blob *blob = NULL;
    s3e_rc rc = s3e_window_get(w, &blob, waiter, err);
    if (rc == S3E_OK) {
        (void)s3e_pool_enter(true);
        rc = maker->make(maker->ctx, out, s3e_blob_span(blob), err);
        s3e_pool_exit();
    }
    s3e_blob_unref(blob);
    return rc;
}

s3e_rc s3e_window_make(struct s3e_window *window, float *out,
    const struct s3e_maker *maker, const struct s3e_waiter *waiter,
    struct s3e_err *err)
{
    struct s3e_window *w = window;
    if (is_foreign(w)) {
        return fail_foreign(err);
    }
    const int own = s3e_make_learn(w, maker);
    if (own < 0) {
        return make_in_place(w, out, maker, waiter, err);
    }
    s3e_slots_lock(w);
    struct s3e_fetch *slot = w->locked.head;
    if (!slot->made[own].asked) {
        slot->made[own].asked = true;
        s3e_engine_count(
            S3E_COUNT_MADE_AHEAD, slot->made[own].state == S3E_MADE);
    }
    const s3e_rc rc = await(w, own, waiter, err);
    const struct s3e_vector *vec = slot->made[own].vec;
    note(w);
    s3e_slots_unlock(w);
    assert(rc || vec);
    if (rc == S3E_OK) {
        memcpy(out, vec->out, maker->dims * sizeof(float));
    }
    return rc;
}
