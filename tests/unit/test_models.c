#include "ext/models.h"

#include "base/sync.h"
#include "ext/connection.h"
#include "tests/harness.h"

static const char file[] = "models/s3embed_default.onnx";
static const char other_recipe[] =
    "{\"size\":{\"height\":128,\"width\":128},\"resample\":3,"
    "\"rescale_factor\":0.00392156862745098,"
    "\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,0.5]}";

struct host {
    sqlite3 *db;
    struct s3e_connection *conn;
};

static struct host open_host(void)
{
    struct host host = {0};
    struct s3e_err err;
    CHECK(sqlite3_open(":memory:", &host.db) == SQLITE_OK);
    CHECK_RC(s3e_connection_new(&host.conn, host.db, &err), S3E_OK, &err);
    return host;
}

static void close_host(struct host *host)
{
    s3e_connection_unref(host->conn);
    CHECK(sqlite3_close(host->db) == SQLITE_OK);
}

static s3e_rc load(struct s3e_connection *conn, const char *name,
    const char *path, const char *recipe, struct s3e_err *err)
{
    const struct s3e_models *entry = NULL;
    const struct s3e_models_args args = {
        .name = s3e_span_str(name), .path = path, .recipe = recipe};
    const s3e_rc rc = s3e_models_load(conn, &entry, &args, err);
    CHECK(rc || strcmp(entry->name, name) == 0);
    return rc;
}

/* The model of that name, which must be there; compare, do not use. */
static const void *found(struct s3e_connection *conn, const char *name)
{
    struct s3e_model *model = NULL;
    struct s3e_err err;
    CHECK_RC(
        s3e_models_find(conn, s3e_span_str(name), &model, &err), S3E_OK, &err);
    s3e_model_unref(model);
    return model;
}

static void weights_are_shared_where_file_and_way_are_the_same(void)
{
    struct host a = open_host(), b = open_host();
    struct s3e_err err;
    CHECK_RC(load(a.conn, "one", file, NULL, &err), S3E_OK, &err);
    CHECK_RC(load(b.conn, "two", file, NULL, &err), S3E_OK, &err);
    CHECK_RC(load(b.conn, "three", file, other_recipe, &err), S3E_OK, &err);
    CHECK(found(a.conn, "one") == found(b.conn, "two"));
    CHECK(found(b.conn, "two") != found(b.conn, "three"));
    close_host(&a);
    CHECK(found(b.conn, "two") != NULL);
    close_host(&b);
}

static void the_default_gives_way_and_comes_back(void)
{
    struct host host = open_host();
    struct s3e_err err;
    const void *embedded = found(host.conn, "default");
    CHECK_RC(
        load(host.conn, "default", file, other_recipe, &err), S3E_OK, &err);
    CHECK(found(host.conn, "default") != embedded);
    CHECK(s3e_models_unload(host.conn, S3E_LIT("default")));
    CHECK(!s3e_models_unload(host.conn, S3E_LIT("default")));
    CHECK(found(host.conn, "default") == embedded);
    close_host(&host);
}

static void failures_leave_nothing_behind(void)
{
    static const struct {
        const char *name, *path, *recipe;
        s3e_rc rc;
    } cases[] = {
        {"absent", "models/absent.onnx", other_recipe, S3E_E_NOTFOUND},
        {"a folder", "models", other_recipe, S3E_E_IO},
        {"no model", "LICENSE", other_recipe, S3E_E_FORMAT},
        {"no recipe", "LICENSE", NULL, S3E_E_INPUT},
        {"wrong recipe", file, "{\"sise\":1}", S3E_E_INPUT},
        {"in use", file, NULL, S3E_E_INPUT},
    };
    struct host host = open_host();
    struct s3e_err err;
    CHECK_RC(load(host.conn, "in use", file, NULL, &err), S3E_OK, &err);
    struct s3e_models *before = host.conn->models;
    const long live = live_allocations();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        in_case(cases[i].name);
        CHECK_RC(load(host.conn, cases[i].name, cases[i].path, cases[i].recipe,
                     &err),
            cases[i].rc, &err);
        CHECK(host.conn->models == before && !before->next);
        CHECK(live_allocations() == live);
    }
    in_case(NULL);
    close_host(&host);
}

static void an_unknown_name_lists_the_others(void)
{
    struct host host = open_host();
    struct s3e_model *model = NULL;
    struct s3e_err err;
    CHECK_RC(load(host.conn, "fruit", file, NULL, &err), S3E_OK, &err);
    CHECK(s3e_models_find(host.conn, S3E_LIT("Fruit"), &model, &err) ==
          S3E_E_INPUT);
    CHECK(!model);
    CHECK_STR(err.msg, "no model named 'Fruit': embed_load(name, path) loads "
                       "one; there are default, fruit");
    close_host(&host);
}

static void load_and_unload(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 5; i++) {
        struct host host = open_host();
        struct s3e_err err;
        CHECK_RC(load(host.conn, "m", file, NULL, &err), S3E_OK, &err);
        CHECK(found(host.conn, "m") != NULL);
        CHECK(s3e_models_unload(host.conn, S3E_LIT("m")));
        close_host(&host);
    }
}

static void connections_on_threads_share_in_peace(void)
{
    struct s3e_thread threads[4];
    struct s3e_err err;
    for (size_t i = 0; i < 4; i++) {
        CHECK_RC(s3e_thread_start(
                     &threads[i], "loader", load_and_unload, NULL, &err),
            S3E_OK, &err);
    }
    for (size_t i = 0; i < 4; i++) {
        s3e_thread_join(&threads[i]);
    }
}

int main(void)
{
    count_allocations();
    the_default_gives_way_and_comes_back();
    const long kept = live_allocations(); /* the embedded one, for ever */
    weights_are_shared_where_file_and_way_are_the_same();
    failures_leave_nothing_behind();
    an_unknown_name_lists_the_others();
    connections_on_threads_share_in_peace();
    CHECK(live_allocations() == kept);
    return 0;
}
