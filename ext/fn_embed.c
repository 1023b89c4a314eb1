/* ext/fn_embed.c - embed(image [, model]) and image_info(image). */
#include "base/mem.h"
#include "ext/connection.h"
#include "ext/cursor.h"
#include "ext/functions.h"
#include "ext/models.h"
#include "nn/image.h"

#include <stdio.h>

enum { URI_MAX = 65536, JSON_MAX = 512, SUBTYPE_JSON = 74 };

/* ---- a model as the window takes it ---- */

static s3e_rc make(
    void *ctx, float *out, struct s3e_span bytes, struct s3e_err *err)
{
    return s3e_model_embed(ctx, out, bytes, err);
}

static void *ref(void *ctx)
{
    return s3e_model_ref(ctx);
}

static void unref(void *ctx)
{
    s3e_model_unref(ctx);
}

/* ---- whose bytes they are ---- */

static struct s3e_reader *find_reader(
    const struct s3e_connection *conn, struct s3e_span image)
{
    for (const struct s3e_cursor *c = conn->cursors; c; c = c->next) {
        struct s3e_reader *reader = s3e_cursor_owner(c, image);
        if (reader) {
            return reader;
        }
    }
    return NULL;
}

/* The uri of the object that these bytes were handed out as; NULL where that
 * is not known, or there is no memory to say it. For s3e_free. */
static char *find_uri(const struct s3e_connection *conn, struct s3e_span image)
{
    struct s3e_buf uri = S3E_BUF(URI_MAX);
    for (const struct s3e_cursor *c = conn->cursors; c; c = c->next) {
        const struct s3e_reader *reader = s3e_cursor_owner(c, image);
        if (reader) {
            const struct s3e_store *store = c->scan.store;
            store->kind->uri(store, &uri, s3e_reader_object(reader)->key);
            return s3e_buf_take(&uri);
        }
    }
    const struct s3e_blob *last = conn->last_blob;
    return last && last->len == image.len &&
                   (last->data == image.ptr || image.len == 0)
               ? s3e_strdup(s3e_span_str(conn->last_uri))
               : NULL;
}

static const char advice[] =
    "; skip others with a glob such as s3://b/**/*.jpg, or "
    "s3_config('on_error','null')";

static void fail(sqlite3_context *ctx, const char *function,
    struct s3e_span image, s3e_rc rc, struct s3e_err *err)
{
    struct s3e_connection *conn = s3e_connection_of(ctx);
    char *uri = find_uri(conn, image);
    if (s3e_error_is_object(rc)) {
        const struct s3e_err what = *err;
        const char *on_error =
            s3e_settings_get(&conn->settings, S3E_SET_ON_ERROR);
        const bool skips = on_error && strcmp(on_error, "null") == 0;
        (void)s3e_fail(err, rc, "%.300s%s%.200s%s", what.msg, uri ? ", " : "",
            uri ? uri : "", skips ? "" : advice);
    }
    s3e_result_fail(ctx, conn, function, uri, S3E_OF_OBJECT, rc, err);
    s3e_free(uri);
}

/* False where the call has ended: NULL in, NULL out; other types raise. */
static bool read_image(sqlite3_context *ctx, const char *function,
    struct s3e_span *image, sqlite3_value *value)
{
    const int type = sqlite3_value_type(value);
    if (type == SQLITE_NULL) {
        return false;
    }
    if (type != SQLITE_BLOB) {
        struct s3e_err err;
        (void)s3e_fail(&err, S3E_E_INPUT,
            "takes the bytes of an image, a BLOB, as s3_get() and readfile() "
            "give them; this is %s",
            type == SQLITE_TEXT ? "a text" : "a number");
        s3e_result_fail(ctx, s3e_connection_of(ctx), function, NULL,
            S3E_OF_STATEMENT, S3E_E_INPUT, &err);
        return false;
    }
    *image = s3e_value_span(value);
    return true;
}

/* ---- the calls ---- */

static s3e_rc embed(struct s3e_connection *conn, struct s3e_model *model,
    float **out, struct s3e_span image, struct s3e_err *err)
{
    const struct s3e_maker maker = {
        make, ref, unref, model, s3e_model_info(model)->dims};
    struct s3e_reader *reader = find_reader(conn, image);
    float *vector = s3e_alloc_array(maker.dims, sizeof *vector);
    if (!vector) {
        return s3e_fail(err, S3E_E_NOMEM, "out of memory");
    }
    const s3e_rc rc = reader ? s3e_reader_make(reader, vector, &maker, err)
                             : s3e_model_embed(model, vector, image, err);
    if (rc != S3E_OK) {
        s3e_free(vector);
        return rc;
    }
    *out = vector;
    return S3E_OK;
}

void s3e_fn_embed(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct s3e_connection *conn = s3e_connection_of(ctx);
    struct s3e_span image;
    struct s3e_model *model = NULL;
    float *vector = NULL;
    struct s3e_err err;
    if (!read_image(ctx, "embed", &image, argv[0])) {
        return;
    }
    const struct s3e_span name =
        argc == 2 ? s3e_value_span(argv[1]) : S3E_LIT("default");
    s3e_rc rc = s3e_connection_poll(conn, &err);
    if (rc == S3E_OK) {
        rc = s3e_models_find(conn, name, &model, &err);
    }
    if (rc != S3E_OK) {
        s3e_result_fail(ctx, conn, "embed", NULL, S3E_OF_STATEMENT, rc, &err);
        return;
    }
    rc = embed(conn, model, &vector, image, &err);
    if (rc == S3E_OK) {
        sqlite3_result_blob64(ctx, vector,
            s3e_model_info(model)->dims * sizeof *vector, s3e_free);
        sqlite3_result_subtype(ctx, S3E_SUBTYPE_FLOAT32);
    } else {
        fail(ctx, "embed", image, rc, &err);
    }
    s3e_model_unref(model);
}

void s3e_fn_image_info(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct s3e_span image;
    struct s3e_image_info info = {0};
    struct s3e_err err;
    (void)argc;
    if (!read_image(ctx, "image_info", &image, argv[0])) {
        return;
    }
    const s3e_rc rc = s3e_image_read_info(&info, image, &err);
    if (rc != S3E_OK) {
        fail(ctx, "image_info", image, rc, &err);
        return;
    }
    char json[JSON_MAX];
    (void)snprintf(json, sizeof json,
        "{\"format\":\"%s\",\"width\":%zu,\"height\":%zu,\"channels\":%d,"
        "\"orientation\":%d}",
        info.format, info.width, info.height, info.channels, info.orientation);
    sqlite3_result_text(ctx, json, -1, SQLITE_TRANSIENT);
    sqlite3_result_subtype(ctx, SUBTYPE_JSON);
}
