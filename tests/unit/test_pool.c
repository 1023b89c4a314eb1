/* The pool alone: jobs are counted, clients take turns, CPUs bound it. */
#include "base/clock.h"
#include "base/sync.h"
#include "pipeline/pool.h"
#include "tests/harness.h"

#include <stdatomic.h>

struct client {
    struct s3e_pool_client base; /* first: one address */
    struct s3e_mutex lock;
    unsigned jobs; /* guarded */
    atomic_int refs;
    atomic_uint done;
    int64_t job_us;
};

static atomic_int g_now, g_peak;

static struct client *client_of(struct s3e_pool_client *base)
{
    return (struct client *)(void *)base;
}

static void hold(struct s3e_pool_client *base)
{
    atomic_fetch_add(&client_of(base)->refs, 1);
}

static bool take(struct client *c)
{
    s3e_mutex_lock(&c->lock);
    const bool got = c->jobs > 0;
    c->jobs -= got;
    s3e_mutex_unlock(&c->lock);
    return got;
}

static void spin(int64_t us)
{
    const int now = atomic_fetch_add(&g_now, 1) + 1;
    int peak = atomic_load(&g_peak);
    while (now > peak && !atomic_compare_exchange_weak(&g_peak, &peak, now)) {
    }
    const int64_t until = s3e_clock_us() + us;
    while (s3e_clock_us() < until) {
    }
    atomic_fetch_sub(&g_now, 1);
}

static void work(struct s3e_pool_client *base)
{
    struct client *c = client_of(base);
    if (take(c)) {
        spin(c->job_us);
        atomic_fetch_add(&c->done, 1);
    }
    atomic_fetch_sub(&c->refs, 1);
}

static void open_client(struct client *c, int64_t job_us)
{
    struct s3e_err err;
    *c = (struct client){.base = {.hold = hold, .work = work}};
    c->job_us = job_us;
    CHECK_RC(s3e_mutex_init(&c->lock, &err), S3E_OK, &err);
}

static void close_client(struct client *c)
{
    s3e_pool_leave(&c->base);
    while (atomic_load(&c->refs) > 0) {
    }
    s3e_mutex_deinit(&c->lock);
}

static bool post(struct client *c, bool alone)
{
    s3e_mutex_lock(&c->lock);
    c->jobs++;
    const bool comes = s3e_pool_post(&c->base, alone);
    s3e_mutex_unlock(&c->lock);
    return comes;
}

static void wait_for(struct client *c, unsigned done)
{
    const int64_t until = s3e_clock_ms() + 20000;
    while (atomic_load(&c->done) < done) {
        CHECK(s3e_clock_ms() < until);
    }
}

/* Two clients with 100 jobs each: neither is done long before the other. */
static void clients_take_turns(void)
{
    struct client a, b;
    open_client(&a, 200);
    open_client(&b, 200);
    for (int i = 0; i < 100; i++) {
        (void)post(&a, true);
    }
    for (int i = 0; i < 100; i++) {
        (void)post(&b, true);
    }
    wait_for(&b, 50);
    const unsigned first = atomic_load(&a.done);
    CHECK(first < 100);
    wait_for(&a, 100);
    wait_for(&b, 100);
    close_client(&a);
    close_client(&b);
}

static void cpus_bound_it(void)
{
    struct client c;
    open_client(&c, 500);
    CHECK(s3e_pool_cpus() >= 1);
    CHECK(s3e_pool_enter(false)); /* this thread computes, too */
    atomic_store(&g_peak, 0);
    for (int i = 0; i < 200; i++) {
        (void)post(&c, true);
    }
    const int64_t until = s3e_clock_ms() + 50;
    while (s3e_clock_ms() < until) {
    }
    CHECK(atomic_load(&g_peak) <= s3e_pool_cpus() - 1);
    s3e_pool_exit(); /* wakes a thread that had no CPU */
    wait_for(&c, 200);
    CHECK(atomic_load(&g_peak) <= s3e_pool_cpus());
    CHECK(s3e_pool_threads() <= s3e_pool_cpus());
    close_client(&c);

    for (int i = 0; i < s3e_pool_cpus(); i++) {
        CHECK(s3e_pool_enter(false));
    }
    CHECK(!s3e_pool_enter(false));
    CHECK(s3e_pool_enter(true));
    for (int i = 0; i <= s3e_pool_cpus(); i++) {
        s3e_pool_exit();
    }
}

static void stopping_keeps_the_jobs(void)
{
    struct client c;
    open_client(&c, 1000);
    for (int i = 0; i < 50; i++) {
        (void)post(&c, true);
    }
    s3e_pool_stop(false);
    CHECK(s3e_pool_threads() == 0 && atomic_load(&c.refs) == 0);
    const unsigned done = atomic_load(&c.done);
    CHECK(done < 50);
    for (unsigned i = done; i < 50; i++) { /* somebody else does the rest */
        CHECK(take(&c));
    }
    s3e_pool_withdraw(&c.base, 50 - done);
    CHECK(!take(&c));
    CHECK(post(&c, true)); /* threads start again */
    wait_for(&c, done + 1);
    close_client(&c);
    s3e_pool_stop(false);
}

/* Withdrawn or left: no thread comes. */
static void who_left_is_left_alone(void)
{
    for (int i = 0; i < 200; i++) {
        struct client c;
        open_client(&c, 0);
        for (int j = 0; j < i % 5; j++) {
            (void)post(&c, false);
        }
        s3e_pool_withdraw(&c.base, (unsigned)i % 3);
        close_client(&c); /* its lock is gone: a thread that came would die */
    }
    s3e_pool_stop(false);
}

static s3e_rc start_and_stop(void *ctx)
{
    (void)ctx;
    struct client c;
    open_client(&c, 10);
    const bool comes = post(&c, true);
    if (comes) {
        wait_for(&c, 1);
    }
    close_client(&c);
    s3e_pool_stop(false);
    return comes ? S3E_OK : S3E_E_NOMEM;
}

int main(void)
{
    (void)s3e_pool_cpus(); /* read once in the process's life */
    count_allocations();
    clients_take_turns();
    cpus_bound_it();
    s3e_pool_stop(false);
    stopping_keeps_the_jobs();
    who_left_is_left_alone();
    sweep_allocations(start_and_stop, NULL);
    CHECK(live_allocations() == 0);
    return 0;
}
