/* ext/fn_model.c - embed_load, embed_unload: models of one's own. */
#include "base/mem.h"
#include "ext/connection.h"
#include "ext/functions.h"
#include "ext/models.h"
#include "ext/options.h"
#include "s3vfs/uri.h"

enum { JSON_MAX = 1 << 16, NAME_MAX_BYTES = 100 };

static s3e_rc read_name(
    struct s3e_span *out, sqlite3_value *value, struct s3e_err *err)
{
    *out = s3e_value_span(value);
    if (out->len == 0 || out->len > NAME_MAX_BYTES ||
        memchr(out->ptr, '\0', out->len)) {
        return s3e_fail(err, S3E_E_INPUT,
            "the name of a model has 1 to %d bytes", NAME_MAX_BYTES);
    }
    return S3E_OK;
}

static s3e_rc read_path(
    const char **out, sqlite3_value *value, struct s3e_err *err)
{
    const int type = sqlite3_value_type(value);
    /* A BLOB has no NUL behind it. */
    if (type != SQLITE_TEXT && type != SQLITE_NULL) {
        return s3e_fail(
            err, S3E_E_INPUT, "the path of the model's file is a text");
    }
    const struct s3e_span path = s3e_value_span(value);
    *out = (const char *)path.ptr;
    if (path.len == 0 || memchr(path.ptr, '\0', path.len)) {
        return s3e_fail(
            err, S3E_E_INPUT, "the path of the model's file is missing");
    }
    if (s3e_uri_is(path)) {
        return s3e_fail(err, S3E_E_INPUT,
            "%.*s: a model is loaded from a path of this machine; in the "
            "sqlite3 shell, writefile('model.onnx', s3_get(uri)) saves one",
            S3E_SPAN_ARG(path));
    }
    return S3E_OK;
}

static char *write_json(const struct s3e_models *entry)
{
    const struct s3e_model_info *info = s3e_models_info(entry);
    struct s3e_buf json = S3E_BUF(JSON_MAX);
    s3e_buf_add_str(&json, "{\"name\":");
    s3e_buf_add_json(&json, s3e_span_str(entry->name));
    s3e_buf_add_str(&json, ",\"path\":");
    s3e_buf_add_json(&json, s3e_span_str(entry->path));
    s3e_buf_printf(&json,
        ",\"format\":\"%s\",\"sha256\":\"%s\",\"dims\":%zu,"
        "\"input_height\":%zu,\"input_width\":%zu,\"parameters\":%zu,"
        "\"normalize\":%d,\"recipe\":",
        info->format, info->sha256, info->dims, info->input_height,
        info->input_width, info->num_parameters, info->normalize);
    s3e_recipe_write(&info->recipe, &json);
    s3e_buf_add_byte(&json, '}');
    char *text = s3e_buf_take(&json);
    s3e_buf_free(&json);
    return text;
}

/* Registers and describes; a description that fails takes the model along. */
static s3e_rc load(struct s3e_connection *conn, char **json,
    const struct s3e_models_args *args, struct s3e_err *err)
{
    const struct s3e_models *entry;
    const s3e_rc rc = s3e_models_load(conn, &entry, args, err);
    if (rc) {
        return rc;
    }
    *json = write_json(entry);
    if (!*json) {
        (void)s3e_models_unload(conn, args->name);
        return s3e_fail(err, S3E_E_NOMEM, "no memory for the answer");
    }
    return S3E_OK;
}

void s3e_fn_embed_load(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    struct s3e_connection *conn = s3e_connection_of(ctx);
    struct s3e_models_args args = {.name = {0}};
    char *recipe = NULL, *output = NULL, *json = NULL;
    const struct s3e_option options[] = {
        {"recipe", S3E_OPTION_JSON, &recipe},
        {"output", S3E_OPTION_TEXT, &output},
        {"normalize", S3E_OPTION_BOOL, &args.normalize},
    };
    struct s3e_err err;
    s3e_rc rc = read_name(&args.name, argv[0], &err);
    if (!rc) {
        rc = read_path(&args.path, argv[1], &err);
    }
    if (!rc && argc > 2) {
        rc = s3e_options_read(options, sizeof options / sizeof *options,
            s3e_value_span(argv[2]), &err);
    }
    if (!rc) {
        args.recipe = recipe;
        args.output = output;
        rc = load(conn, &json, &args, &err);
    }
    if (rc) {
        s3e_result_fail(
            ctx, conn, "embed_load", NULL, S3E_OF_STATEMENT, rc, &err);
    } else {
        sqlite3_result_text(ctx, json, -1, s3e_free);
        sqlite3_result_subtype(ctx, S3E_SUBTYPE_JSON);
    }
    s3e_free(recipe);
    s3e_free(output);
}

void s3e_fn_embed_unload(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    sqlite3_result_int(ctx,
        s3e_models_unload(s3e_connection_of(ctx), s3e_value_span(argv[0])));
}
