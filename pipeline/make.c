#include "pipeline/make.h"

#include "base/clock.h"
#include "base/mem.h"
#include "pipeline/engine.h"

#include <assert.h>

/* A skew heap, the oldest row on top: merging is all it can, and is short. */
static struct s3e_fetch *merge(struct s3e_fetch *a, struct s3e_fetch *b)
{
    struct s3e_fetch *top = NULL, **at = &top;
    while (a && b) {
        if (b->row < a->row) {
            struct s3e_fetch *swap = a;
            a = b;
            b = swap;
        }
        struct s3e_fetch *right = a->right;
        a->right = a->left;
        *at = a;
        at = &a->left;
        a = right;
    }
    *at = a ? a : b;
    return top;
}

static void heap_add(struct s3e_fetch *slot)
{
    struct s3e_window *w = slot->window;
    slot->ready = true;
    slot->left = slot->right = NULL;
    w->locked.ready = merge(w->locked.ready, slot);
}

static void heap_drop(struct s3e_window *w)
{
    struct s3e_fetch *top = w->locked.ready;
    top->ready = false;
    w->locked.ready = merge(top->left, top->right);
}

static bool is_job(const struct s3e_fetch *slot, unsigned i)
{
    const struct s3e_window *w = slot->window;
    return slot->state == S3E_FETCHED && slot->made[i].state == S3E_NOT_MADE &&
           (slot->made[i].asked ||
               (w->limits.prefetch && w->locked.learned[i].demand.hot));
}

/* Too long for a reader, who must look up. */
static bool is_long(const struct s3e_window *w, unsigned i)
{
    return w->locked.learned[i].job_us >= S3E_HELP_US;
}

void s3e_make_post_locked(struct s3e_fetch *slot)
{
    struct s3e_window *w = slot->window;
    for (unsigned i = 0; i < w->locked.num_learned; i++) {
        if (!is_job(slot, i) || slot->made[i].posted) {
            continue;
        }
        if (!slot->ready) {
            heap_add(slot);
        }
        slot->made[i].posted = true;
        if (!s3e_pool_post(&w->client, is_long(w, i)) && w->locked.waiting) {
            s3e_slots_changed_locked(w);
        }
    }
}

static void post_all(struct s3e_window *w)
{
    for (struct s3e_fetch *slot = w->locked.head; slot; slot = slot->next) {
        s3e_make_post_locked(slot);
    }
}

int s3e_make_learn(struct s3e_window *window, const struct s3e_maker *maker)
{
    struct s3e_window *w = window;
    const unsigned n = w->locked.num_learned; /* only the reader writes it */
    for (unsigned i = 0; i < n; i++) {
        if (w->locked.learned[i].maker.ctx == maker->ctx) {
            return (int)i;
        }
    }
    if (n == S3E_MAKERS_MAX) {
        return -1;
    }
    struct s3e_learned learned = {
        .maker = *maker, .demand = {.share = 0.5, .hot = true}};
    learned.maker.ctx = maker->ctx_ref(maker->ctx);
    s3e_slots_lock(w);
    w->locked.learned[n] = learned;
    w->locked.num_learned = n + 1;
    w->locked.vector_bytes +=
        sizeof(struct s3e_vector) + maker->dims * sizeof(float);
    post_all(w);
    s3e_slots_unlock(w);
    return (int)n;
}

static void begin(struct s3e_fetch *slot, unsigned i)
{
    slot->made[i].state = S3E_MAKING;
    slot->jobs++;
}

/* Begins the oldest job; for the reader only if it is short. */
static struct s3e_fetch *take(
    struct s3e_window *w, unsigned *maker, bool reader)
{
    for (struct s3e_fetch *slot; (slot = w->locked.ready) != NULL;) {
        for (unsigned i = 0; i < w->locked.num_learned; i++) {
            if (!is_job(slot, i)) {
                continue;
            }
            if (reader && is_long(w, i)) {
                return NULL;
            }
            begin(slot, i);
            *maker = i;
            return slot;
        }
        for (unsigned i = 0; i < w->locked.num_learned; i++) {
            slot->made[i].posted = false; /* no job now; perhaps later */
        }
        heap_drop(w);
    }
    return NULL;
}

/* Does a job that was begun. Takes the lock, leaves it taken. */
static void run(struct s3e_fetch *slot, unsigned i)
{
    struct s3e_window *w = slot->window;
    const struct s3e_maker *maker = &w->locked.learned[i].maker;
    const size_t head = sizeof(struct s3e_vector) / sizeof(float);
    const int64_t begun = s3e_clock_us();
    struct s3e_vector *vec = s3e_alloc_array(head + maker->dims, sizeof(float));
    const s3e_rc rc = vec ? maker->make(maker->ctx, vec->out,
                                s3e_blob_span(slot->blob), &vec->err)
                          : S3E_E_NOMEM;
    const int64_t us = s3e_clock_us() - begun;

    s3e_slots_lock(w);
    slot->made[i].state = rc ? S3E_MADE_FAILED : S3E_MADE;
    slot->made[i].rc = rc;
    slot->made[i].vec = vec;
    if (rc == S3E_OK) {
        int64_t *mean = &w->locked.learned[i].job_us;
        *mean = *mean ? (3 * *mean + us) / 4 : us;
        s3e_policy_made(&w->locked.policy, us);
        s3e_engine_count(S3E_COUNT_MADE, 1);
    }
    if (slot == w->locked.head && w->locked.waiting) {
        s3e_slots_changed_locked(w);
    }
    slot->jobs--;
    s3e_slots_release_locked(slot);
}

/* The reader does a job that it began, with leave of the pool. */
static void run_as_reader(struct s3e_fetch *slot, unsigned i)
{
    struct s3e_window *w = slot->window;
    if (slot->made[i].posted) {
        s3e_pool_withdraw(&w->client, 1);
    }
    s3e_slots_unlock(w);
    run(slot, i);
    s3e_pool_exit();
}

bool s3e_make_help_locked(struct s3e_window *window, int own)
{
    struct s3e_window *w = window;
    struct s3e_fetch *slot = w->locked.head;
    if (own >= 0 && is_job(slot, (unsigned)own)) {
        const unsigned i = (unsigned)own;
        bool may = !is_long(w, i) && s3e_pool_enter(false);
        if (!may) {
            s3e_make_post_locked(slot);
            may = s3e_pool_threads() == 0 && s3e_pool_enter(true);
        }
        if (may) {
            begin(slot, i);
            run_as_reader(slot, i);
            return true;
        }
    }
    if (!w->locked.ready || !s3e_pool_enter(false)) {
        return false;
    }
    unsigned i = 0;
    slot = take(w, &i, true);
    if (!slot) {
        s3e_pool_exit();
        return false;
    }
    run_as_reader(slot, i);
    return true;
}

void s3e_make_leave_locked(struct s3e_fetch *slot)
{
    struct s3e_window *w = slot->window;
    if (slot->ready) {
        assert(w->locked.ready == slot);
        heap_drop(w);
    }
    unsigned posted = 0;
    bool hot = false;
    for (unsigned i = 0; i < w->locked.num_learned; i++) {
        posted += slot->made[i].posted && slot->made[i].state == S3E_NOT_MADE;
        struct s3e_demand *demand = &w->locked.learned[i].demand;
        const bool was_hot = demand->hot;
        if (slot->asked) {
            s3e_demand_row(demand, slot->made[i].asked);
        }
        hot |= demand->hot && !was_hot;
    }
    if (posted) {
        s3e_pool_withdraw(&w->client, posted);
    }
    if (hot && !w->locked.closed) {
        post_all(w);
    }
}

void s3e_make_forget_locked(struct s3e_fetch *slot, int own)
{
    assert(slot->made[own].state == S3E_MADE_FAILED);
    s3e_free(slot->made[own].vec);
    slot->made[own].vec = NULL;
    slot->made[own].posted = false;
    slot->made[own].state = S3E_NOT_MADE;
}

static struct s3e_window *window_of(struct s3e_pool_client *client)
{
    char *at = (char *)client - offsetof(struct s3e_window, client);
    return (struct s3e_window *)(void *)at;
}

static void hold(struct s3e_pool_client *client)
{
    s3e_slots_ref(window_of(client));
}

static void work(struct s3e_pool_client *client)
{
    struct s3e_window *w = window_of(client);
    unsigned i = 0;
    s3e_slots_lock(w);
    struct s3e_fetch *slot = take(w, &i, false);
    if (slot) {
        s3e_slots_unlock(w);
        run(slot, i);
    }
    s3e_slots_unlock(w);
    s3e_slots_unref(w);
}

void s3e_make_join_pool(struct s3e_window *window)
{
    window->client.hold = hold;
    window->client.work = work;
}
