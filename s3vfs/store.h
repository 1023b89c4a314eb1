/* s3vfs/store.h - a store as a table of functions. S3 (s3_store.c) and a local
 * folder (dir_store.c) give the same rows. Everything is one kind of thing: an
 * operation that is started and ends with a call of its `done`. */
#ifndef S3E_S3VFS_STORE_H
#define S3E_S3VFS_STORE_H

#include "base/blob.h"
#include "base/buf.h"
#include "base/status.h"

struct s3e_account;
struct s3e_target;

enum {
    S3E_KEY_MAX = 1024,      /* bytes of a key */
    S3E_PAGE_KEYS_MAX = 1000 /* objects on one page */
};

/* One object as listed or asked for; the spans live in its page. */
struct s3e_object {
    struct s3e_span key;
    struct s3e_span etag;          /* without quotes; may be empty */
    struct s3e_span storage_class; /* STANDARD where the store says none */
    int64_t size;                  /* bytes; -1 unknown */
    int64_t last_modified;         /* seconds since 1970 UTC; -1 unknown */
};

/* Some objects and the text they point into; immutable once made, counted, one
 * block (page.h makes it). */
struct s3e_page {
    atomic_int refs;
    size_t num_objects;
    struct s3e_object *objects; /* in the order of the answer */
    size_t num_folders;
    struct s3e_span *folders;   /* common prefixes, with their last slash */
    struct s3e_span next_token; /* empty on the last page */
    bool more;
    /* HEAD only. */
    struct s3e_span content_type;
    size_t num_meta;
    struct s3e_meta {
        struct s3e_span name, value; /* x-amz-meta-<name> */
    } * meta;
    /* Buckets: objects hold key = name, last_modified = created,
     * storage_class = region. */
};

struct s3e_page *s3e_page_ref(struct s3e_page *page);
void s3e_page_unref(struct s3e_page *page); /* NULL is allowed */

enum s3e_op_kind { S3E_OP_LIST, S3E_OP_BUCKETS, S3E_OP_HEAD, S3E_OP_GET };

/* One operation. Zero state: all zeros. What `in` borrows is read during start
 * only. The maker keeps the struct until `done` was called. */
struct s3e_op {
    struct {
        enum s3e_op_kind kind;
        struct s3e_span key;  /* HEAD, GET */
        struct s3e_span etag; /* HEAD, GET: this or S3E_E_CHANGED; empty: any */
        uint64_t offset, length; /* GET: a range where length > 0 */
        uint64_t max_bytes; /* GET: a longer object is S3E_E_LIMIT, unread; 0:
                               no limit but the address space */
        struct s3e_span prefix, delimiter, start_after, token; /* LIST */
        unsigned max_keys;               /* LIST: 1..1,000; 0: 1,000 */
        void (*done)(struct s3e_op *op); /* once; any thread; must not block */
        void *user;
    } in;
    struct {
        s3e_rc rc;             /* S3E_E_NOTFOUND, _CHANGED, _DENIED, _AUTH, _IO,
                      _UNREACHABLE, _LIMIT, _RANGE (behind the end), _FORMAT,
                      _INPUT, _CRYPTO, _NOMEM, _STOPPED */
        struct s3e_err err;    /* names the object as a uri */
        struct s3e_blob *blob; /* GET: owned by the op's maker; not NULL */
        struct s3e_page *page; /* LIST, BUCKETS, HEAD (one object): likewise */
        unsigned retries;      /* attempts beyond the first */
        int64_t total_us;      /* start to done, retries included */
    } out;
    void *impl; /* the store's */
};

/* A store of one bucket or folder. Counted; immutable but for its counters. */
struct s3e_store {
    const struct s3e_store_kind *kind;
    atomic_int refs;
};

struct s3e_store_kind {
    const char *scheme; /* "s3", "file" */
    bool remote;        /* bytes take longer to come than to read */
    s3e_rc (*open)(struct s3e_store **out, const struct s3e_target *target,
        struct s3e_account *account, struct s3e_err *err);
    void (*close)(struct s3e_store *store);
    void (*start)(struct s3e_store *store, struct s3e_op *op);
    void (*cancel)(struct s3e_store *store, struct s3e_op *op);
    /* Appends the uri of `key` to `out`, as s3_get() takes it. */
    void (*uri)(const struct s3e_store *store, struct s3e_buf *out,
        struct s3e_span key);
};

/* Opens the store that `target`'s scheme names; sends nothing.
 *
 * out     one reference, for s3e_store_unref.
 * account counted by the store; NULL is allowed for `file:`.
 * Errors  S3E_E_INPUT, S3E_E_NOTFOUND (a folder that is not there),
 *         S3E_E_NOMEM.
 * Thread  any. */
S3E_MUST_CHECK s3e_rc s3e_store_open(struct s3e_store **out,
    const struct s3e_target *target, struct s3e_account *account,
    struct s3e_err *err);
struct s3e_store *s3e_store_ref(struct s3e_store *store);
void s3e_store_unref(struct s3e_store *store); /* NULL is allowed */

/* Starts `op`; op->in.done comes once, perhaps before this returns. The store
 * is referenced until then. Thread any. */
void s3e_store_start(struct s3e_store *store, struct s3e_op *op);

/* Asks for an early end; `done` still comes, soon, and not from within this
 * call. Harmless after `done` if the op still lives. Thread any. */
void s3e_store_cancel(struct s3e_store *store, struct s3e_op *op);

/* Starts `op` (whose `done` and `user` this call sets) and waits. `stop(ctx)`
 * is asked every 20 ms at most; true cancels; stop may be NULL. Returns
 * out.rc, and copies out.err to `err` where that is not S3E_OK. */
S3E_MUST_CHECK s3e_rc s3e_store_run(struct s3e_store *store, struct s3e_op *op,
    bool (*stop)(void *ctx), void *ctx, struct s3e_err *err);

/* For stores: how their start ends, once. Counts `op`, calls its `done`, lets
 * go of the store: either may be gone after it. */
void s3e_op_end(struct s3e_store *store, struct s3e_op *op, s3e_rc rc);

/* Frees what out holds and zeroes it; `in` stays. */
void s3e_op_reset(struct s3e_op *op);

/* Counters of every store of the process, for s3_stats. */
struct s3e_store_stats {
    uint64_t lists, gets, heads, retries, bytes, failures;
};
struct s3e_store_stats s3e_store_stats(void);

#endif
