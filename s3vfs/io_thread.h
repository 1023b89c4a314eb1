/* io_thread.h - the one thread that moves bytes: exchanges wait here for their
 * time and for a free connection, then run side by side on a wire. Knows no
 * HTTP: http.c is the wire. */
#ifndef S3E_S3VFS_IO_THREAD_H
#define S3E_S3VFS_IO_THREAD_H

#include "s3vfs/transport.h"

enum { S3E_CONNECTIONS = 64, S3E_CONNECTIONS_MAX = 1024 };

/* One exchange on its way. */
struct s3e_job {
    struct s3e_exchange *ex;
    void *wire; /* the wire's, while it runs; NULL before */
    /* The thread's own. */
    struct s3e_job *prev, *next;
    int64_t due_us;
};

/* What carries exchanges. All calls but open, close and wake come from the
 * I/O thread. */
struct s3e_wire {
    s3e_rc (*open)(void **state, struct s3e_err *err);
    void (*close)(void *state); /* nothing runs on it any more */
    /* Begins; on failure nothing runs, and ex->out.err says why. */
    s3e_rc (*begin)(void *state, struct s3e_job *job);
    /* Ends early one that runs. */
    void (*drop)(void *state, struct s3e_job *job);
    /* Moves bytes until something ended, `timeout_ms` passed, or wake. */
    void (*turn)(void *state, int timeout_ms);
    /* The next that ended and its outcome, NULL for none: it runs no more. */
    struct s3e_job *(*ended)(void *state, s3e_rc *rc);
    void (*wake)(void *state); /* any thread; ends a turn, now or next */
};

/* Queues `ex` for `wire`, of which a process has one; starts the thread where
 * it is not running. `done` comes once: here where there is no memory or no
 * thread, else on the thread. Thread any. */
void s3e_io_start(const struct s3e_wire *wire, struct s3e_exchange *ex);

/* As s3e_transport.cancel. */
void s3e_io_cancel(struct s3e_exchange *ex);

/* As s3e_http_shutdown. With `for_good`, what comes later is S3E_E_STOPPED. */
void s3e_io_shutdown(bool for_good);

#endif
