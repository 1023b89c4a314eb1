/* ext/vt_errors.c - s3_errors: what failed last on this connection, the oldest
 * first, the failures that on_error = null turned into NULL among them. */
#include "ext/connection.h"
#include "ext/vt_rows.h"

static s3e_rc fill(struct s3e_rows *rows, struct s3e_connection *conn,
    struct s3e_span input, struct s3e_err *err)
{
    (void)input, (void)err;
    for (size_t i = 0; i < conn->errors.num; i++) {
        const struct s3e_error_entry *e = s3e_errors_at(&conn->errors, i);
        s3e_rows_add_time(rows, e->time);
        s3e_rows_add_str(rows, e->function);
        s3e_rows_add_str(rows, e->uri);
        s3e_rows_add_str(rows, e->code);
        s3e_rows_add_str(rows, e->message);
    }
    return S3E_OK;
}

const struct s3e_rows_spec s3e_rows_errors = {
    .name = "s3_errors",
    .schema = "CREATE TABLE x(time TEXT, function TEXT, uri TEXT, code TEXT, "
              "message TEXT)",
    .num_columns = 5,
    .fill = fill,
};
