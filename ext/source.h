/* ext/source.h - a store as the window takes it: rows in, bodies out. */
#ifndef S3E_EXT_SOURCE_H
#define S3E_EXT_SOURCE_H

#include "pipeline/window.h"
#include "s3vfs/store.h"

/* A row of a window: an object on its page. */
struct s3e_row {
    struct s3e_page *page; /* counted */
    const struct s3e_object *object;
};

/* A row that holds one more reference to `page`; NULL on no memory. */
S3E_MUST_CHECK struct s3e_row *s3e_row_new(struct s3e_page *page, size_t index);
void s3e_row_free(struct s3e_row *row); /* NULL is allowed */

/* A source that GETs the objects of its items, struct s3e_row *, each as it
 * was listed (If-Match), none longer than `max_bytes`.
 *
 * out     ctx counts `store`; ctx_free it.
 * Errors  S3E_E_NOMEM. */
S3E_MUST_CHECK s3e_rc s3e_source_init(struct s3e_source *out,
    struct s3e_store *store, uint64_t max_bytes, struct s3e_err *err);

#endif
