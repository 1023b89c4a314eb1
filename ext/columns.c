#include "ext/columns.h"

#include "s3vfs/uri.h"

static void set_text(struct s3e_value *out, struct s3e_span text)
{
    out->type = text.ptr ? S3E_VALUE_TEXT : S3E_VALUE_NULL;
    out->text = text;
}

static void key(struct s3e_value *out, const struct s3e_object *object)
{
    set_text(out, object->key);
}

static void size(struct s3e_value *out, const struct s3e_object *object)
{
    out->type = object->size < 0 ? S3E_VALUE_NULL : S3E_VALUE_INTEGER;
    out->integer = object->size;
}

static void last_modified(
    struct s3e_value *out, const struct s3e_object *object)
{
    if (object->last_modified < 0) {
        out->type = S3E_VALUE_NULL;
        return;
    }
    s3e_time_format(out->room, object->last_modified, 0);
    set_text(out, s3e_span_str(out->room));
}

static void etag(struct s3e_value *out, const struct s3e_object *object)
{
    set_text(out, object->etag.len ? object->etag : (struct s3e_span){0});
}

static void storage_class(
    struct s3e_value *out, const struct s3e_object *object)
{
    set_text(out, object->storage_class);
}

static void folder(struct s3e_value *out, const struct s3e_object *object)
{
    struct s3e_span last = {0};
    struct s3e_span name = {0};
    s3e_key_split(object->key, &last, &name);
    set_text(out, last);
}

static void name(struct s3e_value *out, const struct s3e_object *object)
{
    struct s3e_span last = {0};
    struct s3e_span part = {0};
    s3e_key_split(object->key, &last, &part);
    set_text(out, part);
}

/* Columns without `value` are the cursor's to answer. */
static const struct column {
    const char *declaration;
    void (*value)(struct s3e_value *out, const struct s3e_object *object);
} columns[S3E_COLUMNS] = {
    [S3E_COL_KEY] = {"key TEXT NOT NULL PRIMARY KEY", key},
    [S3E_COL_SIZE] = {"size INTEGER", size},
    [S3E_COL_LAST_MODIFIED] = {"last_modified TEXT", last_modified},
    [S3E_COL_ETAG] = {"etag TEXT", etag},
    [S3E_COL_STORAGE_CLASS] = {"storage_class TEXT", storage_class},
    [S3E_COL_URI] = {"uri TEXT", NULL},
    [S3E_COL_FOLDER] = {"folder TEXT", folder},
    [S3E_COL_NAME] = {"name TEXT", name},
    [S3E_COL_TARGET] = {"target HIDDEN", NULL},
    [S3E_COL_OPTIONS] = {"options HIDDEN", NULL},
    [S3E_COL_EXTRA] = {"extra HIDDEN", NULL},
    [S3E_COL_BUCKET] = {"bucket TEXT HIDDEN", NULL},
    [S3E_COL_BODY] = {"body BLOB HIDDEN", NULL},
    [S3E_COL_ERROR] = {"error TEXT HIDDEN", NULL},
};

bool s3e_column_is_listed(enum s3e_column column)
{
    return columns[column].value != NULL;
}

void s3e_column_value(struct s3e_value *out, enum s3e_column column,
    const struct s3e_object *object)
{
    columns[column].value(out, object);
}

void s3e_columns_declare(struct s3e_buf *sql)
{
    s3e_buf_add_str(sql, "CREATE TABLE x(");
    for (size_t i = 0; i < S3E_COLUMNS; i++) {
        s3e_buf_add_str(sql, i ? ", " : "");
        s3e_buf_add_str(sql, columns[i].declaration);
    }
    s3e_buf_add_str(sql, ") WITHOUT ROWID");
}
