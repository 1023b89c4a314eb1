/* s3vfs/list.h - the objects of a target in key order, a page ahead of the
 * reader: by ListObjectsV2 pages, or by HEADs of keys that are known. */
#ifndef S3E_S3VFS_LIST_H
#define S3E_S3VFS_LIST_H

#include "s3vfs/store.h"

struct s3e_list;

/* What to list; read during s3e_list_new only. */
struct s3e_list_args {
    struct s3e_span prefix;      /* keys begin with it */
    struct s3e_span start_after; /* keys after it; empty: all */
    struct s3e_span from;        /* keys at or after it; empty: all */
    struct s3e_span delimiter;   /* empty, or "/": folders come on the pages */
    uint64_t limit;              /* so many rows are wanted; 0: all. Sets
                                    max-keys of the first page, and no page is
                                    asked for ahead that holds none of them */
    bool ordered;                /* keys must ascend by bytes */
};

/* Begins a listing: its first page is on the way when this returns.
 *
 * out     for s3e_list_free.
 * store   counted.
 * Errors  S3E_E_NOMEM.
 * Thread  the list is confined to the thread that reads it. */
S3E_MUST_CHECK s3e_rc s3e_list_new(struct s3e_list **out,
    struct s3e_store *store, const struct s3e_list_args *args,
    struct s3e_err *err);

/* The same for known keys (at least one), which are looked up 64 at once by HEAD; those that
 * are not there give no row; where none is there, the bucket is asked for, and
 * its failure told. `keys` are copied, sorted by bytes, and doubles dropped. */
S3E_MUST_CHECK s3e_rc s3e_list_new_keys(struct s3e_list **out,
    struct s3e_store *store, const struct s3e_span *keys, size_t num_keys,
    struct s3e_err *err);

/* The next row.
 *
 * page    a new reference to the page that holds the row; NULL at the end, or
 *         where nothing has arrived and `wait` is false (`*ended` tells which).
 * index   of the row in page->objects.
 * stop    as in s3e_store_run; used while waiting.
 * Errors  the store's; the first one is told at each later call. S3E_E_FORMAT
 *         where the store repeats a token, or breaks the order of keys where
 *         `ordered` was asked. S3E_E_STOPPED, after which one may go on. */
struct s3e_list_row {
    struct s3e_page *page;
    size_t index;
    bool ended;
};
S3E_MUST_CHECK s3e_rc s3e_list_next(struct s3e_list *list,
    struct s3e_list_row *row, bool wait, bool (*stop)(void *ctx), void *ctx,
    struct s3e_err *err);

/* The folders of a listing with a delimiter, in place of s3e_list_next: each
 * call gives the next one, valid until the next call; ptr NULL at the end.
 * Waits for pages. Errors as above. */
S3E_MUST_CHECK s3e_rc s3e_list_next_folder(struct s3e_list *list,
    struct s3e_span *folder, bool (*stop)(void *ctx), void *ctx,
    struct s3e_err *err);

/* Cancels what is in flight without waiting for it. NULL is allowed. */
void s3e_list_free(struct s3e_list *list);

#endif
