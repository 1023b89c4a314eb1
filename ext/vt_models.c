/* ext/vt_models.c - embed_models: the models that embed() knows by name. */
#include "ext/connection.h"
#include "ext/models.h"
#include "ext/vt_rows.h"

enum { RECIPE_MAX = 1 << 16 };

static s3e_rc add_row(struct s3e_rows *rows, const char *name, const char *path,
    const struct s3e_model_info *info, struct s3e_err *err)
{
    struct s3e_buf recipe = S3E_BUF(RECIPE_MAX);
    s3e_recipe_write(&info->recipe, &recipe);
    s3e_rows_add_str(rows, name);
    s3e_rows_add_str(rows, path);
    s3e_rows_add_str(rows, info->format);
    s3e_rows_add_str(rows, info->sha256);
    s3e_rows_add_int(rows, (int64_t)info->dims);
    s3e_rows_add_int(rows, (int64_t)info->input_height);
    s3e_rows_add_int(rows, (int64_t)info->input_width);
    s3e_rows_add_text(rows, s3e_buf_span(&recipe));
    s3e_rows_add_int(rows, strcmp(name, S3E_MODELS_DEFAULT) == 0);
    const s3e_rc rc = s3e_buf_check(&recipe, "the recipe of a model", err);
    s3e_buf_free(&recipe);
    return rc;
}

static s3e_rc add_embedded(struct s3e_rows *rows, struct s3e_err *err)
{
    struct s3e_model *model = NULL;
    s3e_rc rc = s3e_model_default(&model, err);
    if (!rc) {
        rc =
            add_row(rows, S3E_MODELS_DEFAULT, NULL, s3e_model_info(model), err);
    }
    s3e_model_unref(model);
    return rc;
}

static s3e_rc fill(struct s3e_rows *rows, struct s3e_connection *conn,
    struct s3e_span input, struct s3e_err *err)
{
    (void)input;
    bool replaced = false;
    s3e_rc rc = S3E_OK;
    for (const struct s3e_models *m = conn->models; m && !rc; m = m->next) {
        replaced = replaced || strcmp(m->name, S3E_MODELS_DEFAULT) == 0;
        rc = add_row(rows, m->name, m->path, s3e_models_info(m), err);
    }
    return rc || replaced ? rc : add_embedded(rows, err);
}

const struct s3e_rows_spec s3e_rows_models = {
    .name = "embed_models",
    .schema =
        "CREATE TABLE x(name TEXT PRIMARY KEY NOT NULL, path TEXT, format "
        "TEXT, sha256 TEXT, dims INTEGER, input_height INTEGER, input_width "
        "INTEGER, recipe TEXT, is_default INTEGER) WITHOUT ROWID",
    .num_columns = 9,
    .fill = fill,
};
