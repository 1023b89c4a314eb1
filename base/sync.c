#include "base/sync.h"

#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A lock that fails is a mistake of ours, and going on would corrupt. */
static void must(int rc)
{
    if (rc != 0) {
        abort();
    }
}

s3e_rc s3e_mutex_init(struct s3e_mutex *m, struct s3e_err *err)
{
    const int rc = pthread_mutex_init(&m->os, NULL);
    return rc ? s3e_fail(err, S3E_E_NOMEM, "mutex: error %d", rc) : S3E_OK;
}

void s3e_mutex_deinit(struct s3e_mutex *m)
{
    /* In a forked child a thread of the parent may hold it for ever. */
    const int rc = pthread_mutex_destroy(&m->os);
    must(rc == EBUSY ? 0 : rc);
}

void s3e_mutex_lock(struct s3e_mutex *m)
{
    must(pthread_mutex_lock(&m->os));
}

void s3e_mutex_unlock(struct s3e_mutex *m)
{
    must(pthread_mutex_unlock(&m->os));
}

s3e_rc s3e_cond_init(struct s3e_cond *c, struct s3e_err *err)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);
    if (rc == 0) {
        must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
        rc = pthread_cond_init(&c->os, &attr);
        must(pthread_condattr_destroy(&attr));
    }
    return rc ? s3e_fail(err, S3E_E_NOMEM, "condition: error %d", rc) : S3E_OK;
}

void s3e_cond_deinit(struct s3e_cond *c)
{
    must(pthread_cond_destroy(&c->os));
}

void s3e_cond_signal(struct s3e_cond *c)
{
    must(pthread_cond_signal(&c->os));
}

void s3e_cond_broadcast(struct s3e_cond *c)
{
    must(pthread_cond_broadcast(&c->os));
}

void s3e_cond_wait(struct s3e_cond *c, struct s3e_mutex *m)
{
    must(pthread_cond_wait(&c->os, &m->os));
}

void s3e_cond_wait_ms(struct s3e_cond *c, struct s3e_mutex *m, int timeout_ms)
{
    struct timespec until;
    must(clock_gettime(CLOCK_MONOTONIC, &until));
    const int64_t ns = until.tv_nsec + (int64_t)timeout_ms * 1000000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    const int rc = pthread_cond_timedwait(&c->os, &m->os, &until);
    must(rc == ETIMEDOUT ? 0 : rc);
}

struct start {
    void (*run)(void *arg);
    void *arg;
    char name[16];
};

static void *thread_main(void *arg)
{
    const struct start start = *(struct start *)arg;
    s3e_free(arg);
    (void)pthread_setname_np(pthread_self(), start.name);
    start.run(start.arg);
    return NULL;
}

s3e_rc s3e_thread_start(struct s3e_thread *t, const char *name,
    void (*run)(void *arg), void *arg, struct s3e_err *err)
{
    struct start *start = s3e_zalloc_array(1, sizeof *start);
    if (!start) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for thread %s", name);
    }
    start->run = run;
    start->arg = arg;
    (void)strncpy(start->name, name, sizeof start->name - 1);
    sigset_t all, old;
    (void)sigfillset(&all);
    must(pthread_sigmask(SIG_SETMASK, &all, &old));
    const int rc = pthread_create(&t->os, NULL, thread_main, start);
    must(pthread_sigmask(SIG_SETMASK, &old, NULL));
    if (rc) {
        s3e_free(start);
        return s3e_fail(
            err, S3E_E_NOMEM, "cannot start thread %s: error %d", name, rc);
    }
    return S3E_OK;
}

void s3e_thread_join(struct s3e_thread *t)
{
    must(pthread_join(t->os, NULL));
}

void s3e_once(struct s3e_once *once, void (*run)(void))
{
    must(pthread_once(&once->os, run));
}

s3e_rc s3e_fork_hooks(void (*before)(void), void (*parent)(void),
    void (*child)(void), struct s3e_err *err)
{
    return pthread_atfork(before, parent, child)
               ? s3e_fail(err, S3E_E_NOMEM, "no memory for fork's handlers")
               : S3E_OK;
}
