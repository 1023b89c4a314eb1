/* ext/connection.h - what one database connection holds: settings, account,
 * open cursors, models, failures. Freed when the last of its functions and
 * modules goes, which is when SQLite closes the connection.
 *
 * Thread  confined: every call comes from inside one of SQLite's callbacks,
 *         under the connection's mutex. */
#ifndef S3E_EXT_CONNECTION_H
#define S3E_EXT_CONNECTION_H

#include "base/span.h"
#include "base/status.h"
#include "ext/error.h"
#include "ext/settings.h"
#include "ext/sqlite.h"
#include "pipeline/window.h"
#include "s3vfs/store.h"
#include "s3vfs/uri.h"

struct s3e_blob;
struct s3e_cursor;
struct s3e_models;

struct s3e_connection {
    sqlite3 *db;
    int refs;
    struct s3e_settings settings;
    struct s3e_errors errors;
    struct s3e_account *account; /* NULL until one is needed */
    struct s3e_models *models;   /* models.h; NULL until one is loaded */
    struct s3e_cursor *cursors;  /* open ones of s3_objects, newest first */
    int64_t polled_us;           /* when the host last had a say */
    bool interrupted;            /* what it said */
    /* The object last got by itself, so that embed() can name it. */
    struct s3e_blob *last_blob;
    char *last_uri;
};

/* One reference. Counts the connections of the process. */
S3E_MUST_CHECK s3e_rc s3e_connection_new(
    struct s3e_connection **out, sqlite3 *db, struct s3e_err *err);
struct s3e_connection *s3e_connection_ref(struct s3e_connection *conn);

/* NULL is allowed. The last one of the process stops the threads and closes
 * the connections to servers. */
void s3e_connection_unref(struct s3e_connection *conn);

/* The connection of a function's context. */
struct s3e_connection *s3e_connection_of(sqlite3_context *ctx);

/* What a module of SQLite's is registered with (pAux of xConnect). */
struct s3e_module_aux {
    struct s3e_connection *conn; /* counted */
    const void *spec;            /* the module's own; a literal */
};

/* Gives the host a say, every 20 ms at most: steps a statement of some hundred
 * rows, which fails where the connection was interrupted and runs the
 * application's progress handler. True: stop. */
bool s3e_connection_stop(void *conn);

/* s3e_connection_stop as the calls below us take it. */
struct s3e_waiter s3e_connection_waiter(struct s3e_connection *conn);

/* S3E_E_STOPPED where s3e_connection_stop says so: for the start of a call that
 * may be one of many. */
S3E_MUST_CHECK s3e_rc s3e_connection_poll(
    struct s3e_connection *conn, struct s3e_err *err);

/* Opens the store of `target`; for S3 with credentials ready (may wait for
 * them).
 *
 * out     one reference.
 * Errors  s3e_account_new's, _prepare's, s3e_store_open's. */
S3E_MUST_CHECK s3e_rc s3e_connection_open(struct s3e_connection *conn,
    struct s3e_store **out, const struct s3e_target *target,
    struct s3e_err *err);

/* Keeps the credentials fresh; cheap where they are. */
S3E_MUST_CHECK s3e_rc s3e_connection_prepare(
    struct s3e_connection *conn, struct s3e_err *err);

/* Keeps a reference to the object just got by itself and its uri, until the
 * next, so that embed() can name it; NULL, NULL: forgets. Larger ones are not
 * kept. */
enum { S3E_REMEMBER_MAX = 16 << 20 }; /* bytes */
void s3e_connection_remember(
    struct s3e_connection *conn, struct s3e_blob *blob, const char *uri);

/* Hands `blob`, whose reference is taken, to SQLite as a result, without a
 * copy. */
void s3e_result_blob(sqlite3_context *ctx, struct s3e_blob *blob);

/* The bytes of a TEXT or BLOB value (others as their text; NULL: ptr NULL),
 * valid as sqlite3_value_text's. */
struct s3e_span s3e_value_span(sqlite3_value *value);

#endif
