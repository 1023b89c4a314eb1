/* ext/fn_config.c - s3_config(name [, value]). */
#include "ext/connection.h"
#include "ext/functions.h"
#include "s3vfs/account.h"

#include <stdlib.h>

static s3e_rc change(struct s3e_connection *conn, enum s3e_setting which,
    sqlite3_value *value, struct s3e_err *err)
{
    const s3e_rc rc =
        s3e_settings_set(&conn->settings, which, s3e_value_span(value), err);
    if (rc == S3E_OK && s3e_settings_is_account(which)) {
        s3e_account_unref(conn->account);
        conn->account = NULL;
    }
    return rc;
}

void s3e_fn_s3_config(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct s3e_connection *conn = s3e_connection_of(ctx);
    struct s3e_err err;
    enum s3e_setting which;
    s3e_rc rc = s3e_settings_find(&which, s3e_value_span(argv[0]), &err);
    if (rc == S3E_OK && argc == 2) {
        rc = change(conn, which, argv[1], &err);
    }
    if (rc != S3E_OK) {
        s3e_result_fail(
            ctx, conn, "s3_config", NULL, S3E_OF_STATEMENT, rc, &err);
        return;
    }
    const char *value = s3e_settings_shown(&conn->settings, which);
    if (value && s3e_settings_is_number(which)) {
        sqlite3_result_int64(
            ctx, (sqlite3_int64)s3e_settings_number(&conn->settings, which));
    } else {
        sqlite3_result_text(ctx, value, -1, SQLITE_TRANSIENT);
    }
}
