/* ext/columns.h - the columns of s3_objects: one table of names, types and
 * where their values come from. */
#ifndef S3E_EXT_COLUMNS_H
#define S3E_EXT_COLUMNS_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/span.h"
#include "s3vfs/store.h"

#include <stdbool.h>

/* In the order of the declaration. */
enum s3e_column {
    S3E_COL_KEY,
    S3E_COL_SIZE,
    S3E_COL_LAST_MODIFIED,
    S3E_COL_ETAG,
    S3E_COL_STORAGE_CLASS,
    S3E_COL_URI,
    S3E_COL_FOLDER,
    S3E_COL_NAME,
    S3E_COL_TARGET, /* hidden from here on; first the arguments */
    S3E_COL_OPTIONS,
    S3E_COL_EXTRA, /* an argument too many */
    S3E_COL_BUCKET,
    S3E_COL_BODY,
    S3E_COL_ERROR,
    S3E_COLUMNS
};

enum s3e_value_type {
    S3E_VALUE_NULL,
    S3E_VALUE_INTEGER,
    S3E_VALUE_REAL,
    S3E_VALUE_TEXT,
    S3E_VALUE_BLOB /* its bytes do not matter to us */
};

/* What SQLite would call a value. Borrows `text`, which may point into
 * `room`: do not copy the struct. */
struct s3e_value {
    enum s3e_value_type type;
    int64_t integer;
    double real;
    struct s3e_span text; /* UTF-8 */
    char room[S3E_TIME_LEN + 1];
};

/* True where the listing alone tells the value, by s3e_column_value. */
bool s3e_column_is_listed(enum s3e_column column);

/* The value of a listed column; borrows from `object`. */
void s3e_column_value(struct s3e_value *out, enum s3e_column column,
    const struct s3e_object *object);

/* Appends the CREATE TABLE statement for sqlite3_declare_vtab. */
void s3e_columns_declare(struct s3e_buf *sql);

#endif
