#include "ext/connection.h"

#include "base/blob.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sync.h"
#include "ext/models.h"
#include "pipeline/engine.h"
#include "s3vfs/account.h"
#include "s3vfs/http.h"

/* Long enough to fire a progress handler of 10,000 steps. */
static const char poll_sql[] =
    "WITH RECURSIVE s3e_poll(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
    "FROM s3e_poll WHERE i < 700) SELECT count(*) FROM s3e_poll";

enum { POLL_US = 20000 };

/* Held while the process's threads are stopped, so that a connection opened
 * meanwhile finds them stopped, not stopping. The outermost lock. */
static struct {
    struct s3e_mutex mutex;
    struct {
        int connections;
    } locked;
} process = {.mutex = S3E_MUTEX_STATIC};

static struct s3e_once hook_once = S3E_ONCE_STATIC;

/* Another thread of the parent may have held it, stopping threads that the
 * child does not have. */
static void in_child(void)
{
    struct s3e_err err;
    (void)!s3e_mutex_init(&process.mutex, &err);
}

static void hook(void)
{
    struct s3e_err err;
    (void)!s3e_fork_hooks(NULL, NULL, in_child, &err);
}

s3e_rc s3e_connection_new(
    struct s3e_connection **out, sqlite3 *db, struct s3e_err *err)
{
    struct s3e_connection *conn;
    *out = NULL;
    if (!S3E_NEW(conn)) {
        return s3e_fail(err, S3E_E_NOMEM, "out of memory");
    }
    conn->db = db;
    conn->refs = 1;
    s3e_once(&hook_once, hook);
    s3e_mutex_lock(&process.mutex);
    process.locked.connections++;
    s3e_mutex_unlock(&process.mutex);
    *out = conn;
    return S3E_OK;
}

struct s3e_connection *s3e_connection_ref(struct s3e_connection *conn)
{
    conn->refs++;
    return conn;
}

void s3e_connection_unref(struct s3e_connection *conn)
{
    if (!conn || --conn->refs > 0) {
        return;
    }
    s3e_connection_remember(conn, NULL, NULL);
    s3e_models_free(conn->models);
    s3e_account_unref(conn->account);
    s3e_errors_deinit(&conn->errors);
    s3e_settings_deinit(&conn->settings);
    s3e_free(conn);
    s3e_mutex_lock(&process.mutex);
    if (--process.locked.connections == 0) {
        s3e_engine_shutdown();
        s3e_http_shutdown();
    }
    s3e_mutex_unlock(&process.mutex);
}

struct s3e_connection *s3e_connection_of(sqlite3_context *ctx)
{
    return sqlite3_user_data(ctx);
}

bool s3e_connection_stop(void *p)
{
    struct s3e_connection *conn = p;
    const int64_t now = s3e_clock_us();
    if (conn->interrupted || now - conn->polled_us < POLL_US) {
        return conn->interrupted;
    }
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(conn->db, poll_sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }
    (void)sqlite3_finalize(stmt);
    conn->polled_us = s3e_clock_us();
    conn->interrupted = rc == SQLITE_INTERRUPT;
    return conn->interrupted;
}

struct s3e_waiter s3e_connection_waiter(struct s3e_connection *conn)
{
    conn->interrupted = false;
    return (struct s3e_waiter){s3e_connection_stop, conn};
}

s3e_rc s3e_connection_poll(struct s3e_connection *conn, struct s3e_err *err)
{
    conn->interrupted = false;
    if (s3e_connection_stop(conn)) {
        return s3e_fail(err, S3E_E_STOPPED, "interrupted");
    }
    return S3E_OK;
}

s3e_rc s3e_connection_prepare(struct s3e_connection *conn, struct s3e_err *err)
{
    if (!conn->account) {
        const struct s3e_overrides overrides =
            s3e_settings_overrides(&conn->settings);
        const s3e_rc rc = s3e_account_new(
            &conn->account, &overrides, s3e_http(), NULL, NULL, err);
        if (rc != S3E_OK) {
            return rc;
        }
    }
    const struct s3e_waiter waiter = s3e_connection_waiter(conn);
    return s3e_account_prepare(conn->account, waiter.stop, waiter.ctx, err);
}

s3e_rc s3e_connection_open(struct s3e_connection *conn, struct s3e_store **out,
    const struct s3e_target *target, struct s3e_err *err)
{
    *out = NULL;
    if (target->scheme == S3E_SCHEME_FILE) {
        return s3e_store_open(out, target, NULL, err);
    }
    const s3e_rc rc = s3e_connection_prepare(conn, err);
    return rc == S3E_OK ? s3e_store_open(out, target, conn->account, err) : rc;
}

void s3e_connection_remember(
    struct s3e_connection *conn, struct s3e_blob *blob, const char *uri)
{
    s3e_blob_unref(conn->last_blob);
    s3e_free(conn->last_uri);
    conn->last_blob = NULL;
    conn->last_uri = NULL;
    if (blob && uri && blob->len <= S3E_REMEMBER_MAX) {
        conn->last_uri = s3e_strdup(s3e_span_str(uri));
        conn->last_blob = conn->last_uri ? s3e_blob_ref(blob) : NULL;
    }
}

static void drop_blob(void *data)
{
    s3e_blob_unref(s3e_blob_of(data));
}

void s3e_result_blob(sqlite3_context *ctx, struct s3e_blob *blob)
{
    sqlite3_result_blob64(ctx, blob->data, blob->len, drop_blob);
}

struct s3e_span s3e_value_span(sqlite3_value *value)
{
    if (sqlite3_value_type(value) == SQLITE_NULL) {
        return (struct s3e_span){0};
    }
    const void *bytes = sqlite3_value_type(value) == SQLITE_BLOB
                            ? sqlite3_value_blob(value)
                            : sqlite3_value_text(value);
    const int len = sqlite3_value_bytes(value);
    return (struct s3e_span){
        bytes ? bytes : (const void *)"", bytes ? (size_t)len : 0};
}
