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
    uint64_t limit;              /* stop after so many rows wanted; 0: none.
                                    Sets max-keys of the first page */
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

/* The same for known keys, which are looked up 64 at once by HEAD; those that
 * are not there give no row. `keys` are copied, sorted by bytes, and doubles
 * dropped. */
S3E_MUST_CHECK s3e_rc s3e_list_new_keys(struct s3e_list **out,
    struct s3e_store *store, const struct s3e_span *keys, size_t num_keys,
    struct s3e_err *err);

/* The next row.
 *
 * page    a new reference to the page that holds the row; NULL at the end, or
 *         where nothing has arrived and `wait` is false (`*ended` tells which).
 * index   of the row in page->objects.
 * stop    as in s3e_store_run; used while waiting.
 * Errors  the store's. S3E_E_FORMAT where the store repeats a token, or breaks
 *         the order of keys where `ordered` was promised by s3e_list_ordered. */
struct s3e_list_row {
    struct s3e_page *page;
    size_t index;
    bool ended;
};
S3E_MUST_CHECK s3e_rc s3e_list_next(struct s3e_list *list,
    struct s3e_list_row *row, bool wait, bool (*stop)(void *ctx), void *ctx,
    struct s3e_err *err);

/* The common prefixes of the whole listing so far are read through this:
 * reads all pages to the end; each call gives the next folder, ptr NULL at
 * the end. */
S3E_MUST_CHECK s3e_rc s3e_list_next_folder(struct s3e_list *list,
    struct s3e_span *folder, bool (*stop)(void *ctx), void *ctx,
    struct s3e_err *err);

/* Cancels what is in flight without waiting for it. NULL is allowed. */
void s3e_list_free(struct s3e_list *list);

#endif
