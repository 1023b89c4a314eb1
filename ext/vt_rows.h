/* ext/vt_rows.h - small read-only tables whose rows are made whole when a
 * statement begins to read them: s3_folders, s3_buckets, s3_errors, s3_stats,
 * embed_models. A new one is a file with its spec, and a line in init.c. */
#ifndef S3E_EXT_VT_ROWS_H
#define S3E_EXT_VT_ROWS_H

#include "base/span.h"
#include "base/status.h"
#include "ext/sqlite.h"

#include <stdbool.h>
#include <stdint.h>

struct s3e_connection;
struct s3e_rows; /* the rows made so far */

struct s3e_rows_spec {
    const char *name;
    const char *schema; /* CREATE TABLE x(...); after the visible columns one
                           HIDDEN, where there is an input */
    int num_columns;    /* visible ones */
    const char *input;  /* an example of the one argument, for the message where
                           it is missing; NULL: none is taken */
    bool direct_only;   /* reaches a store: not from a view or trigger */

    /* Adds the rows, cell by cell. input: empty where there is none. */
    s3e_rc (*fill)(struct s3e_rows *rows, struct s3e_connection *conn,
        struct s3e_span input, struct s3e_err *err);
};

/* The module; the spec is the `spec` of its struct s3e_module_aux. */
extern const sqlite3_module s3e_vt_rows;

extern const struct s3e_rows_spec s3e_rows_folders, s3e_rows_buckets,
    s3e_rows_errors, s3e_rows_stats, s3e_rows_models;

/* Adds the next cell, copied; a row is full at its last visible column. Like
 * s3e_buf: after the first failure they do nothing, and the module tells. */
void s3e_rows_add_text(struct s3e_rows *rows, struct s3e_span text);
void s3e_rows_add_str(struct s3e_rows *rows, const char *str); /* NULL: NULL */
void s3e_rows_add_int(struct s3e_rows *rows, int64_t value);
void s3e_rows_add_real(struct s3e_rows *rows, double value);
void s3e_rows_add_null(struct s3e_rows *rows);

/* As 2024-05-01T12:00:00Z; NULL where `unix_s` is below 0. */
void s3e_rows_add_time(struct s3e_rows *rows, int64_t unix_s);

#endif
