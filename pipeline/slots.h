/* pipeline/slots.h - what a window is made of, for the sources of pipeline/
 * alone: window.c (the reader), fetch.c (bytes), make.c (vectors). */
#ifndef S3E_PIPELINE_SLOTS_H
#define S3E_PIPELINE_SLOTS_H

#include "base/sync.h"
#include "pipeline/policy.h"
#include "pipeline/pool.h"
#include "pipeline/window.h"

#include <stdatomic.h>

enum {
    S3E_MAKERS_MAX = 4, /* learned by one window; others work in place */
    S3E_TICK_MS = 20,   /* the longest sleep of a reader */
    S3E_HELP_US = 40000 /* readers do shorter jobs only: they must look up */
};

/* A vector, or why there is none. Written by the thread that makes it, then
 * immutable. */
struct s3e_vector {
    struct s3e_err err;
    float out[];
};

enum s3e_made { S3E_NOT_MADE, S3E_MAKING, S3E_MADE, S3E_MADE_FAILED };

enum s3e_bytes { S3E_LISTED, S3E_FETCHING, S3E_FETCHED, S3E_FETCH_FAILED };

/* A row: also what a source knows as its fetch. Guarded by the window's lock
 * but for what is immutable while it is busy: item, and token after start. */
struct s3e_fetch {
    struct s3e_window *window;
    struct s3e_fetch *next; /* the row after it; of dead rows, the next dead */
    struct s3e_fetch *left, *right; /* children in the heap of ready rows */
    uint64_t row;                   /* 0, 1, 2... as pushed */
    void *item;
    int64_t listed; /* bytes; -1 unknown */
    size_t charged; /* bytes it counts as; 0 before its fetch */
    enum s3e_bytes state;
    s3e_rc rc;           /* of a failed fetch */
    struct s3e_err *err; /* its sentence; NULL: no memory for one */
    struct s3e_blob *blob;
    void *token;
    bool in_row;     /* the reader is before or at it */
    bool asked;      /* its bytes */
    bool starting;   /* a thread is in source.start for it */
    bool unwanted;   /* left meanwhile: that thread cancels */
    bool cancelling; /* a thread is in source.cancel for it */
    bool ready;      /* in the heap */
    unsigned jobs;   /* threads that make something of it */
    struct {
        enum s3e_made state;
        s3e_rc rc;
        bool asked;             /* by its row */
        bool posted;            /* to the pool */
        struct s3e_vector *vec; /* NULL: no memory for one */
    } made[S3E_MAKERS_MAX];
};

struct s3e_learned {
    struct s3e_maker maker;
    struct s3e_demand demand;
    int64_t job_us; /* moving mean; 0 unknown */
};

struct s3e_window {
    struct s3e_source source; /* immutable, as these */
    struct s3e_window_limits limits;
    unsigned forks;  /* of the process that made it: its threads are there */
    atomic_int refs; /* the reader, fetches in flight, threads with a job */
    struct {
        size_t rows;
        struct s3e_fetch *front;
        const struct s3e_blob *given; /* the front row's bytes, handed out */
        size_t ahead;                 /* rows it may look ahead */
    } reader;                         /* confined to the reader */
    struct s3e_mutex lock;
    struct s3e_cond changed;
    struct {
        struct s3e_fetch *head, *tail;
        struct s3e_fetch *listed; /* the first row whose fetch never began */
        struct s3e_fetch *ready;  /* heap of fetched rows with jobs, by row */
        struct s3e_fetch *dead;   /* freed when the lock is let go */
        struct s3e_policy policy;
        struct s3e_load load;
        uint64_t pushed;
        size_t vector_bytes; /* of all that a row is made into */
        unsigned num_learned;
        struct s3e_learned learned[S3E_MAKERS_MAX];
        bool pumping; /* a thread starts fetches */
        bool waiting; /* the reader sleeps */
        bool closed;  /* the reader is gone */
    } locked;
    struct s3e_pool_client client;
};

void s3e_slots_lock(struct s3e_window *window);

/* Lets the lock go and frees the rows that died under it. */
void s3e_slots_unlock(struct s3e_window *window);

/* Wakes the reader if it sleeps, and threads that wait for a cancel to end. */
void s3e_slots_changed_locked(struct s3e_window *window);

/* A row lost its place or one of its threads: it dies if that was the last
 * thing that held it. */
void s3e_slots_release_locked(struct s3e_fetch *slot);

void s3e_slots_ref(struct s3e_window *window);
void s3e_slots_unref(struct s3e_window *window);

#endif
