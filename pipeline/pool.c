#include "pipeline/pool.h"

#include "base/cpu.h"
#include "base/mem.h"
#include "base/sync.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct worker {
    struct s3e_thread thread;
    struct worker *next;
};

static struct pool {
    struct s3e_mutex lock;
    struct s3e_cond work;    /* workers wait here */
    struct s3e_cond stopped; /* callers of stop wait here for another's */
    struct {
        struct s3e_pool_client *head, *tail; /* those with tickets, in turn */
        struct worker *workers;
        int threads;   /* on the list `workers` */
        int idle;      /* waiting for work */
        int signalled; /* of these, woken and not yet running */
        int computing; /* threads, callers included */
        int cpus;      /* 0: not read yet */
        bool stopping, closed;
    } locked;
} g_pool = {.lock = S3E_MUTEX_STATIC,
    .work = S3E_COND_STATIC,
    .stopped = S3E_COND_STATIC};

static struct s3e_once g_hook_once = S3E_ONCE_STATIC;
static bool g_hooked;
static atomic_uint g_forks;

static void before_fork(void)
{
    s3e_mutex_lock(&g_pool.lock);
}

static void after_fork(void)
{
    s3e_mutex_unlock(&g_pool.lock);
}

/* The threads are the parent's, and so are the clients. */
static void in_child(void)
{
    const bool closed = g_pool.locked.closed;
    memset(&g_pool.locked, 0, sizeof g_pool.locked);
    g_pool.locked.closed = closed;
    g_pool.work = (struct s3e_cond)S3E_COND_STATIC;
    g_pool.stopped = (struct s3e_cond)S3E_COND_STATIC;
    atomic_fetch_add(&g_forks, 1);
    s3e_mutex_unlock(&g_pool.lock);
}

static void at_exit(void)
{
    s3e_pool_stop(true);
}

static void hook(void)
{
    struct s3e_err err;
    g_hooked = s3e_fork_hooks(before_fork, after_fork, in_child, &err) == 0 &&
               atexit(at_exit) == 0;
}

/* Every way in: the hooks are there before the lock is first taken. */
static void enter_pool(void)
{
    s3e_once(&g_hook_once, hook);
    s3e_mutex_lock(&g_pool.lock);
    if (g_pool.locked.cpus == 0) {
        g_pool.locked.cpus = s3e_cpu_count();
    }
}

static void append(struct s3e_pool_client *client)
{
    client->pool.prev = g_pool.locked.tail;
    client->pool.next = NULL;
    if (g_pool.locked.tail) {
        g_pool.locked.tail->pool.next = client;
    } else {
        g_pool.locked.head = client;
    }
    g_pool.locked.tail = client;
}

static void detach(struct s3e_pool_client *client)
{
    if (client->pool.prev) {
        client->pool.prev->pool.next = client->pool.next;
    } else {
        g_pool.locked.head = client->pool.next;
    }
    if (client->pool.next) {
        client->pool.next->pool.prev = client->pool.prev;
    } else {
        g_pool.locked.tail = client->pool.prev;
    }
}

static void drop_tickets(struct s3e_pool_client *client, unsigned count)
{
    if (client->pool.tickets > count) {
        client->pool.tickets -= count;
    } else if (client->pool.tickets > 0) {
        client->pool.tickets = 0;
        detach(client);
    }
}

static bool may_work(void)
{
    return g_pool.locked.head && g_pool.locked.computing < g_pool.locked.cpus;
}

static bool wake_one(void)
{
    if (!may_work() || g_pool.locked.idle <= g_pool.locked.signalled) {
        return false;
    }
    g_pool.locked.signalled++;
    s3e_cond_signal(&g_pool.work);
    return true;
}

/* Takes a ticket of the client whose turn it is, which goes to the end. */
static struct s3e_pool_client *take_turn(void)
{
    struct s3e_pool_client *client = g_pool.locked.head;
    detach(client);
    client->pool.tickets--;
    if (client->pool.tickets > 0) {
        append(client);
    }
    client->hold(client);
    return client;
}

static void work(void *arg)
{
    (void)arg;
    s3e_mutex_lock(&g_pool.lock);
    while (!g_pool.locked.stopping) {
        if (!may_work()) {
            g_pool.locked.idle++;
            s3e_cond_wait(&g_pool.work, &g_pool.lock);
            g_pool.locked.idle--;
            g_pool.locked.signalled -= g_pool.locked.signalled > 0;
            continue;
        }
        struct s3e_pool_client *client = take_turn();
        g_pool.locked.computing++;
        s3e_mutex_unlock(&g_pool.lock);
        client->work(client);
        s3e_mutex_lock(&g_pool.lock);
        g_pool.locked.computing--;
    }
    s3e_mutex_unlock(&g_pool.lock);
}

static bool start_one(int most)
{
    if (g_pool.locked.stopping || g_pool.locked.closed || !g_hooked ||
        g_pool.locked.threads >= most) {
        return false;
    }
    struct s3e_err err;
    struct worker *worker = NULL;
    if (!S3E_NEW(worker) ||
        s3e_thread_start(&worker->thread, "s3e-compute", work, NULL, &err)) {
        s3e_free(worker);
        return false; /* callers compute */
    }
    worker->next = g_pool.locked.workers;
    g_pool.locked.workers = worker;
    g_pool.locked.threads++;
    return true;
}

bool s3e_pool_post(struct s3e_pool_client *client, bool alone)
{
    enter_pool();
    if (client->pool.tickets++ == 0) {
        append(client);
    }
    const bool comes =
        wake_one() ||
        (may_work() && start_one(g_pool.locked.cpus - (alone ? 0 : 1)));
    s3e_mutex_unlock(&g_pool.lock);
    return comes;
}

void s3e_pool_withdraw(struct s3e_pool_client *client, unsigned count)
{
    enter_pool();
    drop_tickets(client, count);
    s3e_mutex_unlock(&g_pool.lock);
}

void s3e_pool_leave(struct s3e_pool_client *client)
{
    s3e_pool_withdraw(client, UINT_MAX);
}

bool s3e_pool_enter(bool must)
{
    enter_pool();
    const bool may = must || g_pool.locked.computing < g_pool.locked.cpus;
    g_pool.locked.computing += may;
    s3e_mutex_unlock(&g_pool.lock);
    return may;
}

void s3e_pool_exit(void)
{
    enter_pool();
    g_pool.locked.computing--;
    (void)wake_one();
    s3e_mutex_unlock(&g_pool.lock);
}

int s3e_pool_threads(void)
{
    enter_pool();
    const int threads = g_pool.locked.threads;
    s3e_mutex_unlock(&g_pool.lock);
    return threads;
}

unsigned s3e_pool_forks(void)
{
    s3e_once(&g_hook_once, hook);
    return atomic_load_explicit(&g_forks, memory_order_relaxed);
}

int s3e_pool_cpus(void)
{
    enter_pool();
    const int cpus = g_pool.locked.cpus;
    s3e_mutex_unlock(&g_pool.lock);
    return cpus;
}

void s3e_pool_stop(bool for_good)
{
    enter_pool();
    while (g_pool.locked.stopping) {
        s3e_cond_wait(&g_pool.stopped, &g_pool.lock);
    }
    g_pool.locked.stopping = true;
    g_pool.locked.closed |= for_good;
    struct worker *worker = g_pool.locked.workers;
    g_pool.locked.workers = NULL;
    g_pool.locked.threads = 0;
    s3e_cond_broadcast(&g_pool.work);
    s3e_mutex_unlock(&g_pool.lock);

    while (worker) {
        struct worker *next = worker->next;
        s3e_thread_join(&worker->thread);
        s3e_free(worker);
        worker = next;
    }

    s3e_mutex_lock(&g_pool.lock);
    g_pool.locked.stopping = false;
    s3e_cond_broadcast(&g_pool.stopped);
    s3e_mutex_unlock(&g_pool.lock);
}
