/* ext/vt_stats.c - s3_stats: what this process did so far, all connections
 * together. Subtract two readings to measure a statement. */
#include "ext/vt_rows.h"
#include "nn/model.h"
#include "pipeline/engine.h"
#include "s3vfs/store.h"

static s3e_rc fill(struct s3e_rows *rows, struct s3e_connection *conn,
    struct s3e_span input, struct s3e_err *err)
{
    (void)conn, (void)input, (void)err;
    const struct s3e_store_stats store = s3e_store_stats();
    const struct s3e_engine_stats engine = s3e_engine_stats();
    const struct s3e_model_stats model = s3e_model_stats();
    const struct {
        const char *name;
        uint64_t value;
    } stats[] = {
        {"requests", store.lists + store.gets + store.heads},
        {"lists", store.lists},
        {"gets", store.gets},
        {"heads", store.heads},
        {"bytes", store.bytes},
        {"retries", store.retries},
        {"failures", store.failures},
        {"objects_fetched", engine.fetched},
        {"objects_asked", engine.asked},
        {"objects_wasted", engine.wasted},
        {"vectors_made", engine.made},
        {"vectors_made_ahead", engine.made_ahead},
        {"wait_us", engine.waited_us},
        {"images", model.images},
        {"decode_us", model.decode_us},
        {"inference_us", model.infer_us},
    };
    for (size_t i = 0; i < sizeof stats / sizeof *stats; i++) {
        s3e_rows_add_str(rows, stats[i].name);
        s3e_rows_add_int(rows, (int64_t)stats[i].value);
    }
    return S3E_OK;
}

const struct s3e_rows_spec s3e_rows_stats = {
    .name = "s3_stats",
    .schema = "CREATE TABLE x(name TEXT PRIMARY KEY NOT NULL, value INTEGER) "
              "WITHOUT ROWID",
    .num_columns = 2,
    .fill = fill,
};
