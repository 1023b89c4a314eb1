/* ext/init.c - the two entry points, and the tables of what they register. A
 * new function or table adds its line here. */
#include "base/mem.h"
#include "ext/connection.h"
#include "ext/functions.h"
#include "ext/sqlite.h"
#include "ext/vt_rows.h"
#include "include/s3embed.h"

SQLITE_EXTENSION_INIT1

enum {
    /* Reaches a store, a file or a model path: not from a hostile database's
     * view or trigger. */
    OUTSIDE = SQLITE_UTF8 | SQLITE_DIRECTONLY,
    TAGGED = SQLITE_UTF8 | SQLITE_RESULT_SUBTYPE, /* with a subtype */
    /* Arithmetic on its arguments: fit for an index or a generated column. */
    ARITHMETIC = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS
};

struct function {
    const char *name;
    int num_args;
    int flags;
    void (*call)(sqlite3_context *ctx, int argc, sqlite3_value **argv);
};

/* What works on bytes alone: all that sqlite3_sembednonet_init registers. */
static const struct function bytes_functions[] = {
    {"embed", 1, TAGGED, s3e_fn_embed},
    {"embed", 2, TAGGED, s3e_fn_embed},
    {"image_info", 1, TAGGED, s3e_fn_image_info},
    {"embed_json", 1, ARITHMETIC | SQLITE_RESULT_SUBTYPE, s3e_fn_embed_json},
    {"embed_csv", 1, ARITHMETIC, s3e_fn_embed_csv},
    {"embed_distance", 2, ARITHMETIC, s3e_fn_embed_distance},
    {"embed_distance", 3, ARITHMETIC, s3e_fn_embed_distance},
    {"s3embed_version", 0, ARITHMETIC, s3e_fn_version},
};

static const struct function store_functions[] = {
    {"s3_get", 1, OUTSIDE, s3e_fn_s3_get},
    {"s3_get", 2, OUTSIDE, s3e_fn_s3_get},
    {"s3_get_range", 3, OUTSIDE, s3e_fn_s3_get_range},
    {"s3_head", 1, OUTSIDE | SQLITE_RESULT_SUBTYPE, s3e_fn_s3_head},
    {"s3_config", 1, OUTSIDE, s3e_fn_s3_config},
    {"s3_config", 2, OUTSIDE, s3e_fn_s3_config},
    {"embed_load", 2, OUTSIDE | SQLITE_RESULT_SUBTYPE, s3e_fn_embed_load},
    {"embed_load", 3, OUTSIDE | SQLITE_RESULT_SUBTYPE, s3e_fn_embed_load},
    {"embed_unload", 1, OUTSIDE, s3e_fn_embed_unload},
    {"s3embed_debug", 0, OUTSIDE | SQLITE_RESULT_SUBTYPE, s3e_fn_debug},
};

/* `spec` reaches xConnect as the module's own in struct s3e_module_aux. */
static const struct module {
    const char *name;
    const sqlite3_module *methods;
    const void *spec;
} modules[] = {
    {"s3_objects", &s3e_vt_objects, NULL},
    {"s3_folders", &s3e_vt_rows, &s3e_rows_folders},
    {"s3_buckets", &s3e_vt_rows, &s3e_rows_buckets},
    {"s3_errors", &s3e_vt_rows, &s3e_rows_errors},
    {"s3_stats", &s3e_vt_rows, &s3e_rows_stats},
    {"embed_models", &s3e_vt_rows, &s3e_rows_models},
};

static void drop_connection(void *conn)
{
    s3e_connection_unref(conn);
}

static void drop_module(void *p)
{
    struct s3e_module_aux *aux = p;
    s3e_connection_unref(aux->conn);
    s3e_free(aux);
}

static int add_functions(
    struct s3e_connection *conn, const struct function *list, size_t num)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < num; i++) {
        const struct function *f = &list[i];
        rc =
            sqlite3_create_function_v2(conn->db, f->name, f->num_args, f->flags,
                s3e_connection_ref(conn), f->call, NULL, NULL, drop_connection);
    }
    return rc;
}

static int add_modules(struct s3e_connection *conn)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof modules / sizeof *modules;
         i++) {
        const struct module *m = &modules[i];
        struct s3e_module_aux *aux;
        if (!S3E_NEW(aux)) {
            return SQLITE_NOMEM;
        }
        aux->conn = s3e_connection_ref(conn);
        aux->spec = m->spec;
        rc = sqlite3_create_module_v2(
            conn->db, m->name, m->methods, aux, drop_module);
    }
    return rc;
}

static int start(sqlite3 *db, char **message, const sqlite3_api_routines *api,
    struct s3e_connection **conn)
{
    SQLITE_EXTENSION_INIT2(api)
    *conn = NULL;
    if (sqlite3_libversion_number() < S3E_SQLITE_OLDEST) {
        *message = sqlite3_mprintf("s3embed needs SQLite 3.38 or newer, this "
                                   "one is %s: use a newer sqlite3 shell, or "
                                   "in Python the package apsw",
            sqlite3_libversion());
        return SQLITE_ERROR;
    }
    struct s3e_err err;
    return s3e_connection_new(conn, db, &err) == S3E_OK ? SQLITE_OK
                                                        : SQLITE_NOMEM;
}

static int finish(struct s3e_connection *conn, int rc)
{
    s3e_connection_unref(conn);
    return rc == SQLITE_OK ? SQLITE_OK_LOAD_PERMANENTLY : rc;
}

int sqlite3_sembed_init(
    sqlite3 *db, char **message, const sqlite3_api_routines *api)
{
    struct s3e_connection *conn;
    int rc = start(db, message, api, &conn);
    if (rc == SQLITE_OK) {
        rc = add_functions(conn, bytes_functions,
            sizeof bytes_functions / sizeof *bytes_functions);
    }
    if (rc == SQLITE_OK) {
        rc = add_functions(conn, store_functions,
            sizeof store_functions / sizeof *store_functions);
    }
    if (rc == SQLITE_OK) {
        rc = add_modules(conn);
    }
    return finish(conn, rc);
}

int sqlite3_sembednonet_init(
    sqlite3 *db, char **message, const sqlite3_api_routines *api)
{
    struct s3e_connection *conn;
    int rc = start(db, message, api, &conn);
    if (rc == SQLITE_OK) {
        rc = add_functions(conn, bytes_functions,
            sizeof bytes_functions / sizeof *bytes_functions);
    }
    return finish(conn, rc);
}
