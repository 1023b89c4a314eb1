/* ext/reader.h - one reading of a scan, row by row, with look-ahead: the
 * listing feeds a window, whose front is the reader's row.
 *
 * Thread  confined, as the connection. */
#ifndef S3E_EXT_READER_H
#define S3E_EXT_READER_H

#include "ext/connection.h"
#include "ext/scan.h"
#include "ext/source.h"

struct s3e_reader;

/* Begins to read; the first page is on its way when this returns. At no row
 * until s3e_reader_next.
 *
 * scan    borrowed, must outlive the reader.
 * from    keys at or after it, all of them; ptr NULL: from the beginning, with
 *         the scan's LIMIT and OFFSET.
 * Errors  s3e_list_new's. */
S3E_MUST_CHECK s3e_rc s3e_reader_new(struct s3e_reader **out,
    struct s3e_connection *conn, const struct s3e_scan *scan,
    struct s3e_span from, struct s3e_err *err);

/* Cancels what is in flight. NULL is allowed. */
void s3e_reader_free(struct s3e_reader *reader);

/* Begins anew at the keys from `from` on, all of them, with what the window has
 * learned. At no row until s3e_reader_next.
 * Errors  s3e_list_new's. */
S3E_MUST_CHECK s3e_rc s3e_reader_restart(
    struct s3e_reader *reader, struct s3e_span from, struct s3e_err *err);

/* Goes to the next row; waits only where none is known.
 *
 * Errors  the listing's; S3E_E_STOPPED. At no row then. */
S3E_MUST_CHECK s3e_rc s3e_reader_next(
    struct s3e_reader *reader, struct s3e_err *err);

/* Goes forward to the row of `key`, over `max` rows at most, which are not
 * fetched on the way. Where there is none it is at no row, or at one behind.
 *
 * passed  rows left, the current one included.
 * Errors  as above. */
S3E_MUST_CHECK s3e_rc s3e_reader_seek(struct s3e_reader *reader,
    unsigned *passed, struct s3e_span key, unsigned max, struct s3e_err *err);

/* Takes rows behind the current one into the window, to be fetched, as far as
 * the window likes: those of its folder, or any. Does not wait. */
void s3e_reader_look_ahead(struct s3e_reader *reader, bool beyond_folder);

/* The row's object; NULL before the first, and at the end. */
const struct s3e_object *s3e_reader_object(const struct s3e_reader *reader);

/* Whether there is but one key to read, so that nothing can be ahead. */
bool s3e_reader_is_single(const struct s3e_reader *reader);

/* The row's body: see s3e_window_get. */
S3E_MUST_CHECK s3e_rc s3e_reader_get(
    struct s3e_reader *reader, struct s3e_blob **blob, struct s3e_err *err);

/* What `maker` makes of the row's body: see s3e_window_make. */
S3E_MUST_CHECK s3e_rc s3e_reader_make(struct s3e_reader *reader, float *out,
    const struct s3e_maker *maker, struct s3e_err *err);

/* Whether `bytes` are the row's body, as handed out; they are not read. */
bool s3e_reader_owns(const struct s3e_reader *reader, struct s3e_span bytes);

#endif
