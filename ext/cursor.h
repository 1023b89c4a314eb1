/* ext/cursor.h - an open cursor of s3_objects as the functions see it: its row,
 * and the rows that it listed before, which GROUP BY and ORDER BY ask for after
 * their sorter.
 *
 * Thread  confined, as the connection. */
#ifndef S3E_EXT_CURSOR_H
#define S3E_EXT_CURSOR_H

#include "ext/reader.h"

/* Zero state: all zeros, not open. */
struct s3e_cursor {
    struct s3e_cursor *next; /* the connection's list */
    struct s3e_connection *conn;
    struct s3e_scan scan;
    struct s3e_reader *rows;  /* the cursor's own; NULL: not open */
    struct s3e_reader *again; /* from a key that was listed before */
    unsigned hits;            /* rows of `again` that were asked in order */
    unsigned strikes;         /* readings from such keys that did not pay */
    unsigned crossed;         /* ends of folders that it passed in order */
    bool paid;                /* the reading before this one did */
    bool listed_uri;          /* a key that looks like a uri was a row */
    struct s3e_buf base;      /* the uri of the empty key */
};

/* Begins to read cursor->scan and joins the connection's list; at the first
 * row then, if there is one.
 * Errors  s3e_reader_new's, s3e_reader_next's: the cursor is closed. */
S3E_MUST_CHECK s3e_rc s3e_cursor_open(struct s3e_cursor *cursor,
    struct s3e_connection *conn, struct s3e_err *err);

/* Cancels what is in flight and leaves the zero state. */
void s3e_cursor_close(struct s3e_cursor *cursor);

/* Errors: s3e_reader_next's. */
S3E_MUST_CHECK s3e_rc s3e_cursor_next(
    struct s3e_cursor *cursor, struct s3e_err *err);

/* The current row's object; NULL at the end. */
const struct s3e_object *s3e_cursor_object(const struct s3e_cursor *cursor);

/* The reader that stands at the row of `key`: the cursor's own, or one that
 * reads the listing again from there, as long as that pays; NULL where the key
 * is better got by itself. */
struct s3e_reader *s3e_cursor_seek(
    struct s3e_cursor *cursor, struct s3e_span key);

/* The reader whose row's body, as handed out, `bytes` are; NULL for others. */
struct s3e_reader *s3e_cursor_owner(
    const struct s3e_cursor *cursor, struct s3e_span bytes);

/* Whether `key` may have been a row before the current one. */
bool s3e_cursor_may_have_listed(
    const struct s3e_cursor *cursor, struct s3e_span key);

/* The part of `uri` after this store's beginning; ptr NULL where it is not of
 * this store. */
struct s3e_span s3e_cursor_key_of(
    const struct s3e_cursor *cursor, struct s3e_span uri);

#endif
