/* ext/vt_buckets.c - s3_buckets: the buckets that our credentials may list. */
#include "base/mem.h"
#include "ext/connection.h"
#include "ext/vt_rows.h"

static void add_rows(struct s3e_rows *rows, const struct s3e_page *page)
{
    for (size_t i = 0; i < page->num_objects; i++) {
        const struct s3e_object *bucket = &page->objects[i];
        s3e_rows_add_text(rows, bucket->key);
        if (bucket->storage_class.len) { /* the region, where it is told */
            s3e_rows_add_text(rows, bucket->storage_class);
        } else {
            s3e_rows_add_null(rows);
        }
        s3e_rows_add_time(rows, bucket->last_modified);
    }
}

static s3e_rc fill(struct s3e_rows *rows, struct s3e_connection *conn,
    struct s3e_span input, struct s3e_err *err)
{
    (void)input;
    char no_bucket[] = "", no_prefix[] = "";
    const struct s3e_target target = {
        .scheme = S3E_SCHEME_S3, .bucket = no_bucket, .prefix = no_prefix};
    struct s3e_store *store = NULL;
    struct s3e_page *page = NULL;
    s3e_rc rc = s3e_connection_open(conn, &store, &target, err);
    const struct s3e_waiter waiter = s3e_connection_waiter(conn);
    while (!rc) {
        struct s3e_op op = {.in.kind = S3E_OP_BUCKETS};
        op.in.token = page ? page->next_token : (struct s3e_span){0};
        rc = s3e_store_run(store, &op, waiter.stop, waiter.ctx, err);
        s3e_page_unref(page);
        page = s3e_page_ref(op.out.page);
        s3e_op_reset(&op);
        if (!rc) {
            add_rows(rows, page);
        }
        if (!rc && !page->more) {
            break;
        }
    }
    s3e_page_unref(page);
    s3e_store_unref(store);
    return rc;
}

const struct s3e_rows_spec s3e_rows_buckets = {
    .name = "s3_buckets",
    .schema = "CREATE TABLE x(name TEXT PRIMARY KEY NOT NULL, region TEXT, "
              "created TEXT) WITHOUT ROWID",
    .num_columns = 3,
    .direct_only = true,
    .fill = fill,
};
