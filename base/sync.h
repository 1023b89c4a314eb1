/* base/sync.h - mutexes, conditions, threads: the one door to pthreads. Lock
 * order is in docs/THREADING.md. */
#ifndef S3E_BASE_SYNC_H
#define S3E_BASE_SYNC_H

#include "base/status.h"

#include <pthread.h>
#include <stdint.h>

struct s3e_mutex {
    pthread_mutex_t os;
};

struct s3e_cond {
    pthread_cond_t os; /* waits by the monotonic clock */
};

struct s3e_thread {
    pthread_t os;
};

#define S3E_MUTEX_STATIC                                                       \
 {                                                                             \
  PTHREAD_MUTEX_INITIALIZER                                                    \
 }

/* For waits without a time limit. */
#define S3E_COND_STATIC                                                        \
 {                                                                             \
  PTHREAD_COND_INITIALIZER                                                     \
 }

S3E_MUST_CHECK s3e_rc s3e_mutex_init(struct s3e_mutex *m, struct s3e_err *err);
void s3e_mutex_deinit(struct s3e_mutex *m);
void s3e_mutex_lock(struct s3e_mutex *m);
void s3e_mutex_unlock(struct s3e_mutex *m);

S3E_MUST_CHECK s3e_rc s3e_cond_init(struct s3e_cond *c, struct s3e_err *err);
void s3e_cond_deinit(struct s3e_cond *c);
void s3e_cond_signal(struct s3e_cond *c);
void s3e_cond_broadcast(struct s3e_cond *c);
void s3e_cond_wait(struct s3e_cond *c, struct s3e_mutex *m);

/* Waits `timeout_ms` at most; spurious returns happen: check the predicate. */
void s3e_cond_wait_ms(struct s3e_cond *c, struct s3e_mutex *m, int timeout_ms);

/* Starts `run(arg)` with every signal blocked (signals are the host's), named
 * `name` (at most 15 bytes). Join it. */
S3E_MUST_CHECK s3e_rc s3e_thread_start(struct s3e_thread *t, const char *name,
    void (*run)(void *arg), void *arg, struct s3e_err *err);
void s3e_thread_join(struct s3e_thread *t);

struct s3e_once {
    pthread_once_t os;
};

#define S3E_ONCE_STATIC                                                        \
 {                                                                             \
  PTHREAD_ONCE_INIT                                                            \
 }

/* Runs `run` at the first call of the process's life; later ones wait for it.
 */
void s3e_once(struct s3e_once *once, void (*run)(void));

/* From here on `before` runs ahead of each fork, `parent` and `child` after
 * it: a lock taken before and released after both is sane in the child.
 * Errors: S3E_E_NOMEM. */
S3E_MUST_CHECK s3e_rc s3e_fork_hooks(void (*before)(void), void (*parent)(void),
    void (*child)(void), struct s3e_err *err);

#endif
