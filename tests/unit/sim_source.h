/* tests/unit/sim_source.h - a source of rows for tests of the window: answers
 * come from a thread after a delay, or at once, or only when cancelled; what a
 * row holds and what is made of it is known. */
#ifndef S3E_TESTS_UNIT_SIM_SOURCE_H
#define S3E_TESTS_UNIT_SIM_SOURCE_H

#include "base/clock.h"
#include "base/mem.h"
#include "base/sync.h"
#include "pipeline/window.h"
#include "tests/harness.h"

#include <stdatomic.h>

enum { SIM_ROWS_MAX = 5000 };

enum sim_kind { SIM_THREAD, SIM_INLINE, SIM_NEVER };

struct sim_op {
    struct s3e_fetch *fetch;
    struct sim_item *item;
    struct sim_op *next;
    int64_t begun_us, due_us;
    atomic_bool cancelled;
};

struct sim_source {
    struct s3e_mutex lock;
    struct s3e_cond changed;
    struct s3e_thread thread;
    struct sim_op *ops;
    bool freed; /* by the window */
    bool ended; /* the thread should go */

    enum sim_kind kind;
    int64_t delay_us; /* with up to as much again, by row */
    size_t bytes;     /* of a body; 0: none */
    bool size_unknown;
    s3e_rc (*fails)(size_t row, unsigned attempt); /* NULL: none */

    atomic_uint started, cancelled, ended_ops, items, inside;
    atomic_uint attempts[SIM_ROWS_MAX];
    atomic_size_t held, peak; /* bytes of bodies from start to the row's end */
};

struct sim_item {
    struct sim_source *source;
    size_t row;
    size_t held;
};

static inline size_t sim_size(const struct sim_source *s, size_t row)
{
    return s->bytes + (s->bytes ? row % 7 : 0);
}

static inline void sim_finish(struct sim_op *op)
{
    struct sim_source *s = op->item->source;
    const size_t row = op->item->row;
    const unsigned attempt = atomic_fetch_add(&s->attempts[row], 1);
    const int64_t us = s3e_clock_us() - op->begun_us;
    struct s3e_err err;
    struct s3e_blob *blob = NULL;
    s3e_rc rc = S3E_OK;
    if (op->cancelled) {
        rc = s3e_fail(&err, S3E_E_STOPPED, "cancelled");
    } else if (s->fails && s->fails(row, attempt)) {
        rc = s3e_fail(&err, s->fails(row, attempt), "row %zu fails", row);
    } else if (!(blob = s3e_blob_new(sim_size(s, row)))) {
        rc = s3e_fail(&err, S3E_E_NOMEM, "no memory for row %zu", row);
    } else {
        blob->len = blob->room;
        memset(blob->data, (int)(row % 251), blob->len);
    }
    s3e_fetch_done(op->fetch, rc, blob, &err, us);
    atomic_fetch_add(&s->ended_ops, 1);
    s3e_free(op);
}

/* The op that is due and comes first; waits for it. NULL at the end. */
static inline struct sim_op *sim_next(struct sim_source *s)
{
    s3e_mutex_lock(&s->lock);
    for (;;) {
        struct sim_op **first = NULL;
        for (struct sim_op **at = &s->ops; *at; at = &(*at)->next) {
            if (!first || (*at)->due_us < (*first)->due_us) {
                first = at;
            }
        }
        if (!first && s->ended) {
            s3e_mutex_unlock(&s->lock);
            return NULL;
        }
        const int64_t left = first ? (*first)->due_us - s3e_clock_us() : 1;
        if (first && left <= 0) {
            struct sim_op *op = *first;
            *first = op->next;
            s3e_mutex_unlock(&s->lock);
            return op;
        }
        if (first && left < 1000000) {
            s3e_cond_wait_ms(&s->changed, &s->lock, (int)(left / 1000));
        } else {
            s3e_cond_wait(&s->changed, &s->lock);
        }
    }
}

static inline void sim_run(void *arg)
{
    struct sim_source *s = arg;
    for (struct sim_op *op; (op = sim_next(s)) != NULL;) {
        sim_finish(op);
    }
}

static inline void sim_start(
    void *ctx, struct s3e_fetch *fetch, void *item, void **token)
{
    struct sim_source *s = ctx;
    struct sim_item *it = item;
    CHECK(atomic_fetch_add(&s->inside, 1) == 0); /* one thread at a time */
    atomic_fetch_add(&s->started, 1);
    it->held += sim_size(s, it->row);
    const size_t held =
        atomic_fetch_add(&s->held, sim_size(s, it->row)) + sim_size(s, it->row);
    if (held > atomic_load(&s->peak)) {
        atomic_store(&s->peak, held);
    }
    struct sim_op *op = NULL;
    if (!S3E_NEW(op)) {
        struct s3e_err err;
        const s3e_rc rc = s3e_fail(&err, S3E_E_NOMEM, "no memory for an op");
        atomic_fetch_sub(&s->inside, 1);
        s3e_fetch_done(fetch, rc, NULL, &err, 1);
        return;
    }
    op->fetch = fetch;
    op->item = it;
    op->begun_us = s3e_clock_us();
    if (s->kind == SIM_INLINE) {
        *token = op;
        sim_finish(op); /* pumps no more: this thread is in start */
        atomic_fetch_sub(&s->inside, 1);
        return;
    }
    const int64_t delay =
        s->delay_us + (int64_t)(it->row * 7919 % 97) * s->delay_us / 97;
    op->due_us = s->kind == SIM_NEVER ? INT64_MAX : op->begun_us + delay;
    s3e_mutex_lock(&s->lock);
    *token = op;
    op->next = s->ops;
    s->ops = op;
    s3e_cond_signal(&s->changed);
    s3e_mutex_unlock(&s->lock);
    atomic_fetch_sub(&s->inside, 1);
}

static inline void sim_cancel(void *ctx, void *token)
{
    struct sim_source *s = ctx;
    struct sim_op *op = token;
    atomic_fetch_add(&s->cancelled, 1);
    s3e_mutex_lock(&s->lock);
    CHECK(!op->cancelled);
    op->cancelled = true;
    op->due_us = 0;
    s3e_cond_signal(&s->changed);
    s3e_mutex_unlock(&s->lock);
}

static inline void sim_item_free(void *item)
{
    struct sim_item *it = item;
    atomic_fetch_sub(&it->source->held, it->held);
    atomic_fetch_sub(&it->source->items, 1);
    s3e_free(it);
}

static inline void sim_ctx_free(void *ctx)
{
    struct sim_source *s = ctx;
    s3e_mutex_lock(&s->lock);
    s->freed = true;
    s3e_mutex_unlock(&s->lock);
}

/* Set kind, delay_us, bytes, fails before; all else is zero. */
static inline s3e_rc sim_open(struct sim_source *s, struct s3e_err *err)
{
    s3e_rc rc = s3e_mutex_init(&s->lock, err);
    CHECK(rc == S3E_OK && s3e_cond_init(&s->changed, err) == S3E_OK);
    rc = s3e_thread_start(&s->thread, "sim-source", sim_run, s, err);
    if (rc) {
        s3e_cond_deinit(&s->changed);
        s3e_mutex_deinit(&s->lock);
    }
    return rc;
}

/* Once the window is free: waits for the ends of fetches, joins. The pool may
 * still free the window: stop it first where there were jobs. */
static inline void sim_close(struct sim_source *s)
{
    s3e_mutex_lock(&s->lock);
    s->ended = true;
    s3e_cond_signal(&s->changed);
    s3e_mutex_unlock(&s->lock);
    s3e_thread_join(&s->thread);
    CHECK(s->freed);
    CHECK(atomic_load(&s->items) == 0 && atomic_load(&s->held) == 0);
    s3e_cond_deinit(&s->changed);
    s3e_mutex_deinit(&s->lock);
}

static inline struct s3e_source sim_table(struct sim_source *s)
{
    return (struct s3e_source){
        sim_start, sim_cancel, sim_item_free, sim_ctx_free, s};
}

static inline s3e_rc sim_push(
    struct s3e_window *w, struct sim_source *s, size_t row, struct s3e_err *err)
{
    CHECK(row < SIM_ROWS_MAX);
    struct sim_item *it = NULL;
    if (!S3E_NEW(it)) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for an item");
    }
    it->source = s;
    it->row = row;
    atomic_fetch_add(&s->items, 1);
    const s3e_rc rc = s3e_window_push(
        w, it, s->size_unknown ? -1 : (int64_t)sim_size(s, row), err);
    if (rc) {
        atomic_fetch_sub(&s->items, 1);
        s3e_free(it);
    }
    return rc;
}

/* Makes { sum of the bytes, factor } of bytes, in `job_us` of a CPU. */
enum { SIM_DIMS = 2 };
struct sim_maker {
    atomic_int refs;
    float factor;
    int64_t job_us;
    atomic_uint made, failures; /* the first so many jobs lack memory */
    atomic_int *now, *peak;     /* jobs at once; may be NULL */
};

static inline s3e_rc sim_make(
    void *ctx, float *out, struct s3e_span bytes, struct s3e_err *err)
{
    struct sim_maker *m = ctx;
    const int64_t until = s3e_clock_us() + m->job_us;
    if (m->now) {
        const int now = atomic_fetch_add(m->now, 1) + 1;
        int peak = atomic_load(m->peak);
        while (
            now > peak && !atomic_compare_exchange_weak(m->peak, &peak, now)) {
        }
    }
    const unsigned nth = atomic_fetch_add(&m->made, 1);
    while (s3e_clock_us() < until) {
    }
    if (m->now) {
        atomic_fetch_sub(m->now, 1);
    }
    if (nth < atomic_load(&m->failures)) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a job");
    }
    if (bytes.len && bytes.ptr[0] == 250) {
        return s3e_fail(err, S3E_E_FORMAT, "rows of 250 are no images");
    }
    double sum = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        sum += bytes.ptr[i];
    }
    out[0] = (float)sum;
    out[1] = m->factor;
    return S3E_OK;
}

static inline void *sim_maker_ref(void *ctx)
{
    struct sim_maker *m = ctx;
    atomic_fetch_add(&m->refs, 1);
    return m;
}

static inline void sim_maker_unref(void *ctx)
{
    struct sim_maker *m = ctx;
    atomic_fetch_sub(&m->refs, 1);
}

static inline struct s3e_maker sim_maker_table(struct sim_maker *m)
{
    return (struct s3e_maker){
        sim_make, sim_maker_ref, sim_maker_unref, m, SIM_DIMS};
}

#endif
