/* ext/scan.h - what one reading of s3_objects is to give: a store, where to
 * begin and end, and which rows to keep. */
#ifndef S3E_EXT_SCAN_H
#define S3E_EXT_SCAN_H

#include "ext/where.h"
#include "s3vfs/account.h"
#include "s3vfs/store.h"
#include "s3vfs/uri.h"

/* All owned. Zero state: all zeros. */
struct s3e_scan {
    struct s3e_target target;
    struct s3e_store *store;
    struct s3e_account *account; /* of an S3 store; NULL else */
    bool markers;                /* show zero-byte keys that end in '/' */
    bool nothing;                /* no row can pass */
    bool ordered;                /* ORDER BY relies on the listing's order */
    struct s3e_where *filters;
    size_t num_filters;
    char *prefix; /* keys begin with it: target's, or longer */
    size_t only;  /* of `filters`, counted from 1: key = or IN, so that there is
                    nothing to list; 0: none */
    char *after, *from;     /* keys after, or from it on; NULL: none */
    char *before;           /* no key at or after it; NULL: none */
    char *upto;             /* no key after it; NULL: none */
    uint64_t offset, limit; /* rows: their sum is the most that are read */
    bool limited;           /* or there is none */
};

void s3e_scan_deinit(struct s3e_scan *scan);

/* Takes `filter` over (its zero state is left, on failure too) and narrows the
 * listing where it says something about the key. */
S3E_MUST_CHECK s3e_rc s3e_scan_add(
    struct s3e_scan *scan, struct s3e_where *filter, struct s3e_err *err);

/* Whether `object` is a row. */
bool s3e_scan_keeps(
    const struct s3e_scan *scan, const struct s3e_object *object);

/* Whether no key from `key` on is a row. */
bool s3e_scan_is_past(const struct s3e_scan *scan, struct s3e_span key);

#endif
