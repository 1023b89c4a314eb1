/* s3vfs/page.h - makes a page (store.h) row by row. A finished page is one
 * block: rows, then the text that they point into.
 * Limits: S3E_PAGE_ROWS_MAX rows of each kind, S3E_PAGE_TEXT_MAX bytes. */
#ifndef S3E_S3VFS_PAGE_H
#define S3E_S3VFS_PAGE_H

#include "s3vfs/store.h"

enum {
    S3E_PAGE_ROWS_MAX = 10000, /* ten times what S3 sends: others send more */
    S3E_PAGE_TEXT_MAX = 32 * 1024 * 1024 /* bytes */
};

/* Zero state: S3E_PAGE_BUILDER. Adds copy what they are given and may be made
 * freely: the first failure stays and is told by finish. Confined. */
struct s3e_page_builder {
    struct s3e_buf text;                   /* every string, end to end */
    struct s3e_buf objects, folders, meta; /* rows of offsets into it */
    struct s3e_page_piece {
        size_t at, len;
    } next_token, content_type;
    bool more;
};

/* The zero state; allocates nothing. */
struct s3e_page_builder s3e_page_builder_zero(void);

/* ETags are taken as they come: see s3e_etag_bare. */
void s3e_page_add_object(
    struct s3e_page_builder *b, const struct s3e_object *object);
void s3e_page_add_folder(struct s3e_page_builder *b, struct s3e_span folder);
void s3e_page_add_meta(
    struct s3e_page_builder *b, struct s3e_span name, struct s3e_span value);
void s3e_page_set_next_token(struct s3e_page_builder *b, struct s3e_span token);
void s3e_page_set_content_type(
    struct s3e_page_builder *b, struct s3e_span type);

/* Percent-decodes the keys and folders added so far, '+' to a space: what
 * EncodingType url asks for. Errors: S3E_E_FORMAT (a % without two hex digits,
 * a NUL byte), and the builder's own. */
S3E_MUST_CHECK s3e_rc s3e_page_decode_url(
    struct s3e_page_builder *b, struct s3e_err *err);

/* Makes the page of what was added; the builder keeps it, for
 * s3e_page_builder_deinit.
 *
 * out     one reference, for s3e_page_unref.
 * Errors  S3E_E_NOMEM, S3E_E_LIMIT. */
S3E_MUST_CHECK s3e_rc s3e_page_finish(struct s3e_page **out,
    const struct s3e_page_builder *b, struct s3e_err *err);

void s3e_page_builder_deinit(struct s3e_page_builder *b);

/* `etag` without the quotes around it, if there are any. */
struct s3e_span s3e_etag_bare(struct s3e_span etag);

#endif
