/* s3vfs/transport.h - what an HTTP engine must offer: exchanges that run side
 * by side. http.c is the one over libcurl; tests have one that plays a script.
 * An exchange is one request and its answer: no redirect is followed, nothing
 * is sent twice (request.c does both). */
#ifndef S3E_S3VFS_TRANSPORT_H
#define S3E_S3VFS_TRANSPORT_H

#include "base/blob.h"
#include "base/buf.h"
#include "base/status.h"

struct s3e_exchange;

/* How to reach a server; borrowed, must outlive the exchange. NULL and 0 mean
 * the default. */
struct s3e_route {
    const char *ca_bundle;  /* PEM file of trusted CAs; NULL: probed */
    const char *proxy;      /* NULL: the environment's, "" none */
    int connect_timeout_ms; /* default 3,100 */
    int stall_timeout_ms;   /* no byte for so long (noticed some seconds later
                               after a fast start): default 10,000 */
    int total_timeout_ms;   /* 0: none */
    int max_connections;    /* default 64 */
};

/* Zero state: all zeros. The maker owns it and keeps it, and all that `in`
 * borrows, unchanged from start until `done` was called. */
struct s3e_exchange {
    struct {
        const char *method; /* GET, HEAD, PUT, POST, DELETE */
        const char *url;    /* absolute, percent-encoded: sent as it is */
        const char *const *headers;    /* "Name: value", NULL-terminated */
        struct s3e_span body;          /* of PUT and POST */
        const struct s3e_route *route; /* not NULL */
        int delay_ms;                  /* not before so long from now */
        size_t max_body; /* a longer body of a 2xx answer is S3E_E_LIMIT, before
                            it is read where Content-Length tells; of others the
                            first 64 KiB are kept: they say what is wrong */
        /* Called once, on any thread, perhaps before start returns; must not
         * block. May free the exchange or start it anew. */
        void (*done)(struct s3e_exchange *ex);
        void *user;
    } in;
    struct {
        /* S3E_OK: a whole answer came, whatever its status. Else
         * S3E_E_UNREACHABLE (DNS, refused, TLS, time-out before the answer),
         * S3E_E_IO (broken off, stalled or cut short within the answer),
         * S3E_E_LIMIT, S3E_E_NOMEM, S3E_E_STOPPED (cancelled, shut down). */
        s3e_rc rc;
        struct s3e_err err;
        int status;             /* HTTP status, 0 where none came */
        struct s3e_buf headers; /* "name: value\n", names in lower case */
        struct s3e_blob *body;  /* NULL if empty */
        int64_t first_byte_us;  /* from sending to the answer's first byte */
        int64_t total_us;
    } out;
    void *impl;            /* the transport's */
    atomic_bool cancelled; /* set by cancel; started anew it ends at once */
};

struct s3e_transport {
    void (*start)(struct s3e_transport *t, struct s3e_exchange *ex);
    /* Asks for an early end: `done` still comes, soon, perhaps with another
     * outcome, and not from within this call. It holds for later starts of the
     * exchange too. Harmless after `done` if the exchange still lives. Thread
     * any. */
    void (*cancel)(struct s3e_transport *t, struct s3e_exchange *ex);
};

/* The value of answer header `name` (lower case), without spaces around it;
 * an empty span with ptr NULL where there is none. Valid while `ex` is. */
struct s3e_span s3e_exchange_header(
    const struct s3e_exchange *ex, const char *name);

/* The decimal number that answer header `name` is, at most 18 digits; -1 where
 * it is none. */
int64_t s3e_exchange_number(const struct s3e_exchange *ex, const char *name);

/* Frees what `out` holds and zeroes it; `in` stays. */
void s3e_exchange_reset(struct s3e_exchange *ex);

/* Starts `ex` (whose `done` and `user` this call sets) and waits for it.
 * `stop(stop_ctx)` is asked every 20 ms at most; true cancels. stop may be
 * NULL. Returns `out.rc`. Not from a `done` callback. */
S3E_MUST_CHECK s3e_rc s3e_exchange_run(struct s3e_transport *t,
    struct s3e_exchange *ex, bool (*stop)(void *stop_ctx), void *stop_ctx);

#endif
