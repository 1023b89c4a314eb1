/* ext/vt_folders.c - s3_folders(target): the folders right below a bucket or a
 * prefix, as `aws s3 ls` shows them with PRE. */
#include "ext/connection.h"
#include "ext/vt_rows.h"
#include "s3vfs/list.h"

enum { URI_MAX = 4096 };

static s3e_rc add_row(struct s3e_rows *rows, const struct s3e_store *store,
    struct s3e_span folder, struct s3e_err *err)
{
    struct s3e_span parent, name;
    struct s3e_buf uri = S3E_BUF(URI_MAX);
    s3e_key_split(folder, &parent, &name);
    store->kind->uri(store, &uri, folder);
    s3e_rows_add_text(rows, name);
    s3e_rows_add_text(rows, s3e_buf_span(&uri));
    const s3e_rc rc = s3e_buf_check(&uri, "the uri of a folder", err);
    s3e_buf_free(&uri);
    return rc;
}

static s3e_rc add_rows(struct s3e_rows *rows, struct s3e_connection *conn,
    const struct s3e_target *target, struct s3e_err *err)
{
    const struct s3e_list_args args = {
        .prefix = s3e_span_str(target->prefix), .delimiter = S3E_LIT("/")};
    struct s3e_store *store = NULL;
    struct s3e_list *list = NULL;
    struct s3e_span folder = {0};
    s3e_rc rc = s3e_connection_open(conn, &store, target, err);
    if (!rc) {
        rc = s3e_list_new(&list, store, &args, err);
    }
    const struct s3e_waiter waiter = s3e_connection_waiter(conn);
    while (!rc) {
        rc = s3e_list_next_folder(list, &folder, waiter.stop, waiter.ctx, err);
        if (rc || !folder.ptr) {
            break;
        }
        rc = add_row(rows, store, folder, err);
    }
    s3e_list_free(list);
    s3e_store_unref(store);
    return rc;
}

static s3e_rc fill(struct s3e_rows *rows, struct s3e_connection *conn,
    struct s3e_span input, struct s3e_err *err)
{
    struct s3e_target target = {0};
    s3e_rc rc = s3e_target_parse(&target, input, err);
    if (!rc && target.glob) {
        rc = s3e_fail(err, S3E_E_INPUT,
            "%.*s is a glob: pass the bucket or a prefix, or SELECT DISTINCT "
            "folder FROM s3_objects(...)",
            S3E_SPAN_ARG(input));
    }
    if (!rc) {
        rc = add_rows(rows, conn, &target, err);
    }
    s3e_target_deinit(&target);
    return rc;
}

const struct s3e_rows_spec s3e_rows_folders = {
    .name = "s3_folders",
    .schema = "CREATE TABLE x(folder TEXT NOT NULL, uri TEXT PRIMARY KEY "
              "NOT NULL, target TEXT HIDDEN) WITHOUT ROWID",
    .num_columns = 2,
    .input = "s3_folders('bucket')",
    .direct_only = true,
    .fill = fill,
};
