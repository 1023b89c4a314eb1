#include "s3vfs/io_thread.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/sync.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

enum { IDLE_MS = 1000 }; /* what a wake that got lost costs */

struct list {
    struct s3e_job *first, *last;
};

/* One a process. A forked child makes its own and leaves its parent's alone,
 * whose thread and connections it does not have. */
struct io {
    pid_t pid;
    struct io *parents; /* NULL where this process began without one */
    const struct s3e_wire *wire;
    struct s3e_mutex ending; /* one shutdown at a time; taken before `lock` */
    struct s3e_mutex lock;
    struct {
        struct list incoming;
        bool running, stopping, closed;
        bool asleep;  /* the thread is in its turn: wake it */
        bool cancels; /* some job is cancelled */
    } locked;
    /* The thread's while it runs. */
    struct s3e_thread thread;
    void *state;
    struct list waiting, active; /* by due time; on the wire */
    int num_active;
};

static _Atomic(struct io *) g_io;
static atomic_bool g_exit_known;

static void list_insert(
    struct list *list, struct s3e_job *job, struct s3e_job *before)
{
    job->prev = before;
    job->next = before ? before->next : list->first;
    *(job->prev ? &job->prev->next : &list->first) = job;
    *(job->next ? &job->next->prev : &list->last) = job;
}

static void list_remove(struct list *list, struct s3e_job *job)
{
    *(job->prev ? &job->prev->next : &list->first) = job->next;
    *(job->next ? &job->next->prev : &list->last) = job->prev;
}

static void end_now(struct s3e_exchange *ex, s3e_rc rc)
{
    ex->out.rc = rc;
    ex->in.done(ex);
}

/* ---- on the thread ---- */

/* Ends a job that is in no list and not on the wire. */
static void finish(struct io *io, struct s3e_job *job, s3e_rc rc)
{
    struct s3e_exchange *ex = job->ex;
    s3e_mutex_lock(&io->lock);
    ex->impl = NULL;
    s3e_mutex_unlock(&io->lock);
    s3e_free(job);
    end_now(ex, rc);
}

static s3e_rc stopped(struct s3e_exchange *ex)
{
    return s3e_fail(&ex->out.err, S3E_E_STOPPED, "stopped");
}

/* How many may be under way, as the exchange that would be next asks. */
static int max_active(const struct s3e_job *job)
{
    const int max = job->ex->in.route->max_connections;
    return max <= 0                    ? S3E_CONNECTIONS
           : max < S3E_CONNECTIONS_MAX ? max
                                       : S3E_CONNECTIONS_MAX;
}

static bool may_begin(const struct io *io)
{
    const struct s3e_job *job = io->waiting.first;
    return job && io->num_active < max_active(job);
}

static void begin_due(struct io *io)
{
    const int64_t now_us = s3e_clock_us();
    while (may_begin(io) && io->waiting.first->due_us <= now_us) {
        struct s3e_job *job = io->waiting.first;
        list_remove(&io->waiting, job);
        const s3e_rc rc = io->wire->begin(io->state, job);
        if (rc) {
            finish(io, job, rc);
        } else {
            list_insert(&io->active, job, io->active.last);
            io->num_active++;
        }
    }
}

static void end_active(struct io *io, struct s3e_job *job, s3e_rc rc)
{
    list_remove(&io->active, job);
    io->num_active--;
    finish(io, job, rc);
}

static void end_cancelled(struct io *io, bool all)
{
    struct s3e_job *next = NULL;
    for (struct s3e_job *job = io->waiting.first; job; job = next) {
        next = job->next;
        if (all || job->ex->cancelled) {
            list_remove(&io->waiting, job);
            finish(io, job, stopped(job->ex));
        }
    }
    for (struct s3e_job *job = io->active.first; job; job = next) {
        next = job->next;
        if (all || job->ex->cancelled) {
            io->wire->drop(io->state, job);
            end_active(io, job, stopped(job->ex));
        }
    }
}

/* Moves what came in to where it waits, the oldest due first. */
static void take_incoming(struct io *io)
{
    while (io->locked.incoming.first) {
        struct s3e_job *job = io->locked.incoming.first;
        struct s3e_job *before = io->waiting.last;
        list_remove(&io->locked.incoming, job);
        while (before && before->due_us > job->due_us) {
            before = before->prev;
        }
        list_insert(&io->waiting, job, before);
    }
}

/* Takes what others left for the thread; true where it shall stop. */
static bool look(struct io *io)
{
    s3e_mutex_lock(&io->lock);
    io->locked.asleep = false;
    const bool stop = io->locked.stopping;
    const bool cancels = io->locked.cancels || stop;
    io->locked.cancels = false;
    take_incoming(io);
    s3e_mutex_unlock(&io->lock);
    if (cancels) {
        end_cancelled(io, stop);
    }
    return stop;
}

/* How long a turn may last: until something is due that could begin. */
static int turn_ms(struct io *io)
{
    int64_t ms = IDLE_MS;
    if (may_begin(io)) {
        const int64_t us = io->waiting.first->due_us - s3e_clock_us();
        ms = us <= 0 ? 0 : us / 1000 + 1;
    }
    s3e_mutex_lock(&io->lock);
    if (io->locked.incoming.first || io->locked.cancels ||
        io->locked.stopping) {
        ms = 0;
    } else {
        io->locked.asleep = true;
    }
    s3e_mutex_unlock(&io->lock);
    return ms < IDLE_MS ? (int)ms : IDLE_MS;
}

static void run(void *arg)
{
    struct io *io = arg;
    while (!look(io)) {
        s3e_rc rc = S3E_OK;
        begin_due(io);
        io->wire->turn(io->state, turn_ms(io));
        for (;;) {
            struct s3e_job *job = io->wire->ended(io->state, &rc);
            if (!job) {
                break;
            }
            end_active(io, job, rc);
        }
    }
}

/* ---- on any thread ---- */

static struct io *io_new(const struct s3e_wire *wire, struct s3e_err *err)
{
    struct io *io = NULL;
    if (!S3E_NEW(io)) {
        (void)s3e_fail(err, S3E_E_NOMEM, "no memory for the I/O thread");
        return NULL;
    }
    if (s3e_mutex_init(&io->ending, err)) {
        goto no_ending;
    }
    if (s3e_mutex_init(&io->lock, err)) {
        goto no_lock;
    }
    io->pid = getpid();
    io->wire = wire;
    return io;
no_lock:
    s3e_mutex_deinit(&io->ending);
no_ending:
    s3e_free(io);
    return NULL;
}

static void io_free(struct io *io)
{
    s3e_mutex_deinit(&io->lock);
    s3e_mutex_deinit(&io->ending);
    s3e_free(io);
}

/* This process's, made where there is none yet. */
static struct io *instance(const struct s3e_wire *wire, struct s3e_err *err)
{
    struct io *io = atomic_load(&g_io), *fresh = NULL;
    if (io && io->pid == getpid()) {
        return io;
    }
    fresh = io_new(wire, err);
    if (fresh) {
        fresh->parents = io;
    }
    if (!fresh || atomic_compare_exchange_strong(&g_io, &io, fresh)) {
        return fresh;
    }
    io_free(fresh);
    return io;
}

static void at_exit(void)
{
    s3e_io_shutdown(true);
}

static s3e_rc start_locked(struct io *io, struct s3e_err *err)
{
    s3e_rc rc = io->wire->open(&io->state, err);
    if (rc) {
        return rc;
    }
    /* After the wire is open: handlers run last in, first out, so ours stops
     * the thread before the TLS library takes itself apart. */
    if (!atomic_exchange(&g_exit_known, true)) {
        (void)atexit(at_exit);
    }
    rc = s3e_thread_start(&io->thread, "s3e-io", run, io, err);
    if (rc) {
        io->wire->close(io->state);
        return rc;
    }
    io->locked.running = true;
    return S3E_OK;
}

static s3e_rc queue_locked(struct io *io, struct s3e_job *job)
{
    struct s3e_exchange *ex = job->ex;
    if (ex->cancelled || io->locked.stopping || io->locked.closed) {
        return stopped(ex);
    }
    if (!io->locked.running) {
        const s3e_rc rc = start_locked(io, &ex->out.err);
        if (rc) {
            return rc;
        }
    }
    list_insert(&io->locked.incoming, job, io->locked.incoming.last);
    ex->impl = job;
    if (io->locked.asleep) {
        io->locked.asleep = false;
        io->wire->wake(io->state);
    }
    return S3E_OK;
}

void s3e_io_start(const struct s3e_wire *wire, struct s3e_exchange *ex)
{
    struct s3e_job *job = NULL;
    struct io *io = instance(wire, &ex->out.err);
    if (!io) {
        end_now(ex, S3E_E_NOMEM);
        return;
    }
    if (!S3E_NEW(job)) {
        end_now(
            ex, s3e_fail(&ex->out.err, S3E_E_NOMEM, "no memory for a request"));
        return;
    }
    assert(io->wire == wire);
    job->ex = ex;
    job->due_us = s3e_clock_us() + (int64_t)ex->in.delay_ms * 1000;
    s3e_mutex_lock(&io->lock);
    const s3e_rc rc = queue_locked(io, job);
    s3e_mutex_unlock(&io->lock);
    if (rc) {
        s3e_free(job);
        end_now(ex, rc);
    }
}

void s3e_io_cancel(struct s3e_exchange *ex)
{
    struct io *io = atomic_load(&g_io);
    ex->cancelled = true; /* before the lock: a start behind it will see it */
    if (!io || io->pid != getpid()) {
        return;
    }
    s3e_mutex_lock(&io->lock);
    if (ex->impl) {
        io->locked.cancels = true;
        if (io->locked.asleep) {
            io->locked.asleep = false;
            io->wire->wake(io->state);
        }
    }
    s3e_mutex_unlock(&io->lock);
}

void s3e_io_shutdown(bool for_good)
{
    struct io *io = atomic_load(&g_io);
    if (!io || io->pid != getpid()) {
        return;
    }
    s3e_mutex_lock(&io->ending);
    s3e_mutex_lock(&io->lock);
    const bool running = io->locked.running;
    io->locked.stopping = running;
    io->locked.closed |= for_good;
    if (running) {
        io->wire->wake(io->state);
    }
    s3e_mutex_unlock(&io->lock);
    if (running) {
        s3e_thread_join(&io->thread);
        io->wire->close(io->state);
        s3e_mutex_lock(&io->lock);
        io->locked.running = io->locked.stopping = false;
        io->locked.asleep = false;
        s3e_mutex_unlock(&io->lock);
    }
    s3e_mutex_unlock(&io->ending);
}
