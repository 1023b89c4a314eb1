/* pipeline/window.h - the rows ahead of a reader: their bytes are fetched and
 * their vectors made before they are asked for, in row order, and never twice.
 * How far ahead is earned (policy.h); results are those of one-by-one work. */
#ifndef S3E_PIPELINE_WINDOW_H
#define S3E_PIPELINE_WINDOW_H

#include "base/blob.h"
#include "base/span.h"
#include "base/status.h"

struct s3e_window;
struct s3e_fetch; /* one fetch in flight; the window's */

/* Where bytes come from. */
struct s3e_source {
    /* Begins to fetch `item`. s3e_fetch_done(fetch, ...) must follow once, on
     * any thread, perhaps before this returns. Must not block on the network;
     * called without a lock, by one thread at a time, which may be one that is
     * in s3e_fetch_done. `*token` is the source's, kept for cancel. */
    void (*start)(void *ctx, struct s3e_fetch *fetch, void *item, void **token);
    /* Asks for an early end: s3e_fetch_done still follows, soon. Called at most
     * once, and never after s3e_fetch_done returned for it; a s3e_fetch_done on
     * another thread waits until this returns. */
    void (*cancel)(void *ctx, void *token);
    void (*item_free)(void *item); /* any thread, as ctx_free */
    void (*ctx_free)(void *ctx); /* when the window and its last fetch ended */
    void *ctx;
};

/* The end of a fetch.
 * blob    taken over; NULL unless rc is S3E_OK.
 * err     read where rc is not S3E_OK; copied.
 * us      from start to here, for the policy. */
void s3e_fetch_done(struct s3e_fetch *fetch, s3e_rc rc, struct s3e_blob *blob,
    const struct s3e_err *err, int64_t us);

/* What is made of bytes. Borrowed from a counted owner. */
struct s3e_maker {
    /* Makes `dims` floats of `bytes`. Called on any computing thread, many at
     * once. */
    s3e_rc (*make)(
        void *ctx, float *out, struct s3e_span bytes, struct s3e_err *err);
    void *(*ctx_ref)(void *ctx);
    void (*ctx_unref)(void *ctx);
    void *ctx; /* identity: two makers with the same ctx are the same */
    size_t dims;
};

struct s3e_window_limits {
    bool prefetch;        /* false: only what is asked, when it is asked */
    size_t max_bytes;     /* of bodies, and what is made of them, in flight or
                               waiting; only the front row's may exceed it */
    unsigned max_fetches; /* in flight */
    uint64_t max_rows;    /* a LIMIT pushed down: never more than so many
                               rows are fetched; 0: none */
};

/* While a call waits: `stop(ctx)` is asked every 20 ms at most on the waiting
 * thread; true ends the call with S3E_E_STOPPED. stop may be NULL. */
struct s3e_waiter {
    bool (*stop)(void *ctx);
    void *ctx;
};

/* A window with no rows.
 *
 * source  taken over on success (ctx_free at the end).
 * Errors  S3E_E_NOMEM.
 * Thread  the reader's calls below are confined to one thread at a time; the
 *         rest of the window is locked inside. */
S3E_MUST_CHECK s3e_rc s3e_window_new(struct s3e_window **out,
    const struct s3e_source *source, const struct s3e_window_limits *limits,
    struct s3e_err *err);

/* Cancels what is in flight and frees the window; waits for no network. Bytes
 * handed out live on. NULL is allowed. */
void s3e_window_free(struct s3e_window *window);

/* S3E_E_STOPPED in a child of the process that began the window: no row of it
 * can be left or asked there. */
S3E_MUST_CHECK s3e_rc s3e_window_check_fork(
    const struct s3e_window *window, struct s3e_err *err);

/* How many more rows the window would like to know of now, so that it need not
 * wait for them when the next row asks: one behind the front row until
 * something was asked, then twice as many as it may look ahead. 0 without
 * look-ahead. */
size_t s3e_window_room(const struct s3e_window *window);

/* Appends a row at the far end.
 * item    taken over on success.
 * size    listed bytes, -1 unknown. */
S3E_MUST_CHECK s3e_rc s3e_window_push(
    struct s3e_window *window, void *item, int64_t size, struct s3e_err *err);

/* Rows known and not yet left, the front one included. */
size_t s3e_window_rows(const struct s3e_window *window);

/* The front row's item; NULL where there is none. The reader is at the front
 * row once there is one. */
void *s3e_window_front(const struct s3e_window *window);

/* Leaves the front row: its fetch is cancelled if it is still under way, its
 * bytes and vectors dropped. */
void s3e_window_pop(struct s3e_window *window);

/* The bytes of the front row, fetched once however often they are asked.
 *
 * blob    a new reference.
 * Errors  the source's, told each time the row asks (S3E_E_NOMEM and
 *         S3E_E_STOPPED are tried anew); S3E_E_STOPPED. */
S3E_MUST_CHECK s3e_rc s3e_window_get(struct s3e_window *window,
    struct s3e_blob **blob, const struct s3e_waiter *waiter,
    struct s3e_err *err);

/* What `maker` makes of the front row's bytes, made once (for the first four
 * makers of a window; others each time); teaches the window to make it of later
 * rows too.
 *
 * out     [maker->dims] floats, copied.
 * Errors  the source's, the maker's, S3E_E_STOPPED, S3E_E_NOMEM. */
S3E_MUST_CHECK s3e_rc s3e_window_make(struct s3e_window *window, float *out,
    const struct s3e_maker *maker, const struct s3e_waiter *waiter,
    struct s3e_err *err);

/* True where the front row's bytes were handed out, and are none. */
bool s3e_window_gave_nothing(const struct s3e_window *window);

/* True where `blob` is the front row's. */
bool s3e_window_owns(
    const struct s3e_window *window, const struct s3e_blob *blob);

#endif
