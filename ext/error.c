#include "ext/error.h"

#include "base/clock.h"
#include "base/mem.h"
#include "ext/connection.h"

#include <stdio.h>

static const struct kind {
    const char *word;
    int sqlite;
    bool of_object; /* on_error = null covers it */
} kinds[] = {
    [S3E_OK] = {"", SQLITE_OK, false},
    [S3E_E_NOMEM] = {"NoMemory", SQLITE_NOMEM, false},
    [S3E_E_INPUT] = {"Input", SQLITE_ERROR, false},
    [S3E_E_RANGE] = {"Range", SQLITE_RANGE, false},
    [S3E_E_LIMIT] = {"Limit", SQLITE_TOOBIG, true},
    [S3E_E_FORMAT] = {"Format", SQLITE_ERROR, true},
    [S3E_E_NOTFOUND] = {"NotFound", SQLITE_ERROR, true},
    [S3E_E_CHANGED] = {"Changed", SQLITE_ABORT, true},
    [S3E_E_DENIED] = {"Denied", SQLITE_AUTH, true},
    [S3E_E_AUTH] = {"Auth", SQLITE_AUTH, false},
    [S3E_E_IO] = {"Io", SQLITE_ERROR, true},
    [S3E_E_UNREACHABLE] = {"Unreachable", SQLITE_ERROR, false},
    [S3E_E_CRYPTO] = {"Crypto", SQLITE_ERROR, false},
    [S3E_E_STOPPED] = {"Stopped", SQLITE_ABORT, false},
};

static void clear(struct s3e_error_entry *entry)
{
    s3e_free(entry->uri);
    s3e_free(entry->message);
    *entry = (struct s3e_error_entry){0};
}

void s3e_errors_deinit(struct s3e_errors *errors)
{
    for (size_t i = 0; i < S3E_ERRORS_MAX; i++) {
        clear(&errors->entries[i]);
    }
    errors->num = errors->first = 0;
}

const struct s3e_error_entry *s3e_errors_at(
    const struct s3e_errors *errors, size_t i)
{
    return &errors->entries[(errors->first + i) % S3E_ERRORS_MAX];
}

static bool same(const char *a, const char *b)
{
    return s3e_span_eq(s3e_span_str(a), s3e_span_str(b));
}

void s3e_errors_add(struct s3e_errors *errors, const char *function,
    const char *uri, const char *code, const char *message)
{
    const size_t last = (errors->first + errors->num - 1) % S3E_ERRORS_MAX;
    struct s3e_error_entry *entry = &errors->entries[last];
    if (errors->num && same(entry->function, function) &&
        same(entry->uri, uri) && same(entry->message, message)) {
        entry->time = s3e_clock_unix();
        return;
    }
    struct s3e_error_entry fresh = {
        .time = s3e_clock_unix(),
        .function = function,
        .uri = uri ? s3e_strdup(s3e_span_str(uri)) : NULL,
        .message = s3e_strdup(s3e_span_str(message)),
    };
    if (!fresh.message) {
        clear(&fresh);
        return;
    }
    (void)snprintf(fresh.code, sizeof fresh.code, "%s", code);
    if (errors->num == S3E_ERRORS_MAX) {
        clear(&errors->entries[errors->first]);
        errors->first = (errors->first + 1) % S3E_ERRORS_MAX;
        errors->num--;
    }
    errors->entries[(errors->first + errors->num) % S3E_ERRORS_MAX] = fresh;
    errors->num++;
}

int s3e_error_sqlite(const struct s3e_connection *conn, s3e_rc rc)
{
    if (rc == S3E_E_STOPPED && conn->interrupted) {
        return SQLITE_INTERRUPT;
    }
    return kinds[rc].sqlite;
}

bool s3e_error_is_object(s3e_rc rc)
{
    return kinds[rc].of_object;
}

static void record(struct s3e_connection *conn, const char *function,
    const char *uri, s3e_rc rc, const struct s3e_err *err)
{
    s3e_errors_add(&conn->errors, function, uri,
        err->code[0] ? err->code : kinds[rc].word, err->msg);
}

/* SQLite says these itself: "out of memory", "interrupted". */
static bool has_own_words(int code)
{
    return code == SQLITE_NOMEM || code == SQLITE_INTERRUPT;
}

void s3e_result_fail(sqlite3_context *ctx, struct s3e_connection *conn,
    const char *function, const char *uri, enum s3e_error_of of, s3e_rc rc,
    const struct s3e_err *err)
{
    const int code = s3e_error_sqlite(conn, rc);
    if (has_own_words(code)) {
        sqlite3_result_error_code(ctx, code);
        return;
    }
    record(conn, function, uri, rc, err);
    const char *on_error = s3e_settings_get(&conn->settings, S3E_SET_ON_ERROR);
    if (of == S3E_OF_OBJECT && kinds[rc].of_object && same(on_error, "null")) {
        sqlite3_result_null(ctx);
        return;
    }
    struct s3e_err whole = *err;
    (void)s3e_prefix(&whole, rc, "%s", function);
    sqlite3_result_error(ctx, whole.msg, -1);
    sqlite3_result_error_code(ctx, code);
}

int s3e_vtab_fail(sqlite3_vtab *vtab, struct s3e_connection *conn,
    const char *table, s3e_rc rc, const struct s3e_err *err)
{
    const int code = s3e_error_sqlite(conn, rc);
    if (has_own_words(code)) {
        return code;
    }
    record(conn, table, NULL, rc, err);
    sqlite3_free(vtab->zErrMsg);
    vtab->zErrMsg = sqlite3_mprintf("%s: %s", table, err->msg);
    return code;
}
