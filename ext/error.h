/* ext/error.h - the one map from our codes to SQLite's, and the last hundred
 * failures of a connection, which s3_errors shows. */
#ifndef S3E_EXT_ERROR_H
#define S3E_EXT_ERROR_H

#include "base/status.h"
#include "ext/sqlite.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct s3e_connection;

enum { S3E_ERRORS_MAX = 100 };

/* One failure. All strings owned but `function`; NULL where there is none. */
struct s3e_error_entry {
    int64_t time;         /* seconds since 1970 */
    const char *function; /* the SQL name; a literal */
    char *uri, *message;
    char code[48]; /* the store's word, or SQLite's name of the result */
};

/* Zero state: all zeros. A ring: the oldest goes first. */
struct s3e_errors {
    struct s3e_error_entry entries[S3E_ERRORS_MAX];
    size_t num, first;
};

void s3e_errors_deinit(struct s3e_errors *errors);

/* The i-th (0: the oldest); i < errors->num. */
const struct s3e_error_entry *s3e_errors_at(
    const struct s3e_errors *errors, size_t i);

/* Records one; what it says again word for word only moves its time. Without
 * memory it is not recorded.
 * uri  NULL where there is none. code  "" is allowed. */
void s3e_errors_add(struct s3e_errors *errors, const char *function,
    const char *uri, const char *code, const char *message);

/* SQLite's result code for `rc` in a function or table: never IOERR or FULL,
 * on which SQLite rolls back the caller's whole transaction. */
int s3e_error_sqlite(const struct s3e_connection *conn, s3e_rc rc);

/* What failed: S3E_OF_OBJECT lets s3_config('on_error', 'null') turn a failure
 * of one object into NULL; a model, a listing, an argument never. */
enum s3e_error_of { S3E_OF_STATEMENT, S3E_OF_OBJECT };

/* Ends a function's call that failed: records, then an error "function:
 * sentence", or NULL where on_error says so.
 * uri  of the object where known, for s3_errors; else NULL. */
void s3e_result_fail(sqlite3_context *ctx, struct s3e_connection *conn,
    const char *function, const char *uri, enum s3e_error_of of, s3e_rc rc,
    const struct s3e_err *err);

/* The same for a table's method: records, leaves the sentence in
 * vtab->zErrMsg, returns the code. */
int s3e_vtab_fail(sqlite3_vtab *vtab, struct s3e_connection *conn,
    const char *table, s3e_rc rc, const struct s3e_err *err);

/* True where on_error = null covers `rc` on one object. */
bool s3e_error_is_object(s3e_rc rc);

#endif
