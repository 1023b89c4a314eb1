#include "ext/models.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/sync.h"
#include "ext/connection.h"
#include "s3vfs/digest.h"

enum {
    RECIPE_FILE_MAX = 1 << 20, /* bytes */
    PATH_MAX_BYTES = 4096,
    KEY_MAX_BYTES = 1 << 16,
    NAME_SHOWN = 100, /* bytes in a message */
    NAMES_MAX = 300   /* bytes of a list of them */
};

/* One file loaded in one way, however many connections use it. */
struct s3e_weights {
    struct s3e_weights *next;
    int users;
    char *key; /* the file's digest, and the way */
    struct s3e_model *model;
};

/* The innermost lock: held for a look at the list. */
static struct {
    struct s3e_mutex mutex;
    struct {
        struct s3e_weights *first;
    } locked;
} cache = {.mutex = S3E_MUTEX_STATIC};

static struct s3e_once hook_once = S3E_ONCE_STATIC;

/* Another thread of the parent may have held it. */
static void in_child(void)
{
    struct s3e_err err;
    (void)!s3e_mutex_init(&cache.mutex, &err);
}

static void hook(void)
{
    struct s3e_err err;
    (void)!s3e_fork_hooks(NULL, NULL, in_child, &err);
}

static void free_weights(struct s3e_weights *w)
{
    if (w) {
        s3e_model_unref(w->model);
        s3e_free(w->key);
        s3e_free(w);
    }
}

static s3e_rc build(struct s3e_weights **out, const char *key,
    struct s3e_span file, const char *sha256,
    const struct s3e_model_options *options, struct s3e_err *err)
{
    struct s3e_weights *w;
    s3e_rc rc = S3E_OK;
    if (!S3E_NEW(w)) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for the model");
    }
    w->key = s3e_strdup(s3e_span_str(key));
    if (!w->key) {
        rc = s3e_fail(err, S3E_E_NOMEM, "no memory for the model");
    }
    if (!rc) {
        rc = s3e_model_new(&w->model, file, sha256, options, err);
    }
    if (rc) {
        free_weights(w);
        return rc;
    }
    *out = w;
    return S3E_OK;
}

/* One more user of what has that key: of `fresh` (which may be NULL) where
 * nothing has. */
static struct s3e_weights *join(const char *key, struct s3e_weights *fresh)
{
    s3e_mutex_lock(&cache.mutex);
    struct s3e_weights *w = cache.locked.first;
    while (w && strcmp(w->key, key) != 0) {
        w = w->next;
    }
    if (!w && fresh) {
        w = fresh;
        w->next = cache.locked.first;
        cache.locked.first = w;
    }
    if (w) {
        w->users++;
    }
    s3e_mutex_unlock(&cache.mutex);
    return w;
}

static s3e_rc take(struct s3e_weights **out, const char *key,
    struct s3e_span file, const char *sha256,
    const struct s3e_model_options *options, struct s3e_err *err)
{
    struct s3e_weights *fresh = NULL;
    s3e_once(&hook_once, hook);
    *out = join(key, NULL);
    if (*out) {
        return S3E_OK;
    }
    const s3e_rc rc = build(&fresh, key, file, sha256, options, err);
    if (rc) {
        return rc;
    }
    *out = join(key, fresh);
    if (*out != fresh) {
        free_weights(fresh); /* another connection was faster */
    }
    return S3E_OK;
}

static void give_back(struct s3e_weights *w)
{
    s3e_mutex_lock(&cache.mutex);
    const bool last = --w->users == 0;
    if (last) {
        struct s3e_weights **link = &cache.locked.first;
        while (*link != w) {
            link = &(*link)->next;
        }
        *link = w->next;
    }
    s3e_mutex_unlock(&cache.mutex);
    if (last) {
        free_weights(w);
    }
}

/* Reads the recipe from `name` in the folder of `path`. S3E_E_NOTFOUND: there
 * is no such file. */
static s3e_rc read_beside(struct s3e_recipe *out, const char *path,
    const char *name, struct s3e_err *err)
{
    struct s3e_blob *file = NULL;
    struct s3e_buf beside = S3E_BUF(PATH_MAX_BYTES);
    const char *slash = strrchr(path, '/');
    const size_t folder_len = slash ? (size_t)(slash + 1 - path) : 0;
    s3e_buf_add(&beside, (struct s3e_span){(const uint8_t *)path, folder_len});
    s3e_buf_add_str(&beside, name);
    char *text = s3e_buf_take(&beside);
    s3e_rc rc = s3e_buf_check(&beside, "the path of the recipe", err);
    if (!rc) {
        rc = s3e_file_read(&file, text, RECIPE_FILE_MAX, err);
    }
    if (!rc) {
        rc = s3e_recipe_parse(out, s3e_blob_span(file), err);
        if (rc) {
            (void)s3e_prefix(
                err, rc, "%.200s, read because no recipe was passed", text);
        }
    }
    s3e_blob_unref(file);
    s3e_free(text);
    s3e_buf_free(&beside);
    return rc;
}

static s3e_rc read_recipe(struct s3e_recipe *out,
    const struct s3e_models_args *args, struct s3e_err *err)
{
    static const char *const beside[] = {
        "preprocessor_config.json", "config.json"};
    if (args->recipe) {
        const s3e_rc rc =
            s3e_recipe_parse(out, s3e_span_str(args->recipe), err);
        return rc ? s3e_prefix(err, rc, "recipe") : S3E_OK;
    }
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        const s3e_rc rc = read_beside(out, args->path, beside[i], err);
        if (rc != S3E_E_NOTFOUND) {
            return rc;
        }
    }
    return s3e_fail(err, S3E_E_INPUT,
        "no recipe says how to prepare an image for %.150s: pass its name, as "
        "{\"recipe\": \"imagenet\"}, or the whole, as {\"recipe\": {\"size\": "
        "{\"shortest_edge\": 256}, \"resample\": 2, \"crop_size\": 224, "
        "\"rescale_factor\": 0.00392156862745098, \"image_mean\": [0.485, "
        "0.456, 0.406], \"image_std\": [0.229, 0.224, 0.225]}}, or put the "
        "preprocessor_config.json that came with it beside it",
        args->path);
}

static s3e_rc digest(
    char out[S3E_SHA256_HEX], const struct s3e_blob *file, struct s3e_err *err)
{
    uint8_t sha256[S3E_SHA256_LEN];
    const s3e_rc rc = s3e_sha256(sha256, s3e_blob_span(file), err);
    if (!rc) {
        s3e_sha256_hex(out, sha256);
    }
    return rc;
}

/* All that makes two loadings the same. */
static s3e_rc write_key(char **out, const char *sha256,
    const struct s3e_model_options *options, struct s3e_err *err)
{
    struct s3e_buf key = S3E_BUF(KEY_MAX_BYTES);
    s3e_buf_printf(&key, "%s %d ", sha256, options->normalize);
    s3e_recipe_write(options->recipe, &key);
    s3e_buf_add_str(&key, options->output ? options->output : "");
    *out = s3e_buf_take(&key);
    const s3e_rc rc = s3e_buf_check(&key, "the recipe", err);
    s3e_buf_free(&key);
    return rc;
}

static s3e_rc load_weights(struct s3e_weights **out,
    const struct s3e_models_args *args, struct s3e_err *err)
{
    struct s3e_blob *file = NULL;
    struct s3e_recipe recipe;
    const struct s3e_model_options options = {.recipe = &recipe,
        .output = args->output,
        .normalize = args->normalize};
    char sha256[S3E_SHA256_HEX];
    char *key = NULL;
    s3e_rc rc = s3e_file_read(&file, args->path, S3E_MODEL_FILE_MAX, err);
    if (!rc) {
        rc = read_recipe(&recipe, args, err);
    }
    if (!rc) {
        rc = digest(sha256, file, err);
    }
    if (!rc) {
        rc = write_key(&key, sha256, &options, err);
    }
    if (!rc) {
        rc = take(out, key, s3e_blob_span(file), sha256, &options, err);
        if (rc) {
            (void)s3e_prefix(err, rc, "%.200s", args->path);
        }
    }
    s3e_free(key);
    s3e_blob_unref(file);
    return rc;
}

/* Where the entry of that name hangs; `*` of it is NULL if there is none. */
static struct s3e_models **find(
    struct s3e_connection *conn, struct s3e_span name)
{
    struct s3e_models **link = &conn->models;
    while (*link && !s3e_span_eq(s3e_span_str((*link)->name), name)) {
        link = &(*link)->next;
    }
    return link;
}

static void free_entry(struct s3e_models *entry)
{
    if (entry->shared) {
        give_back(entry->shared);
    }
    s3e_free(entry->name);
    s3e_free(entry->path);
    s3e_free(entry);
}

s3e_rc s3e_models_load(struct s3e_connection *conn,
    const struct s3e_models **out, const struct s3e_models_args *args,
    struct s3e_err *err)
{
    struct s3e_models *entry, **end = find(conn, args->name);
    if (*end) {
        return s3e_fail(err, S3E_E_INPUT,
            "the name '%.*s' is in use: embed_unload('%.*s') frees it",
            S3E_SPAN_ARG(args->name), S3E_SPAN_ARG(args->name));
    }
    if (!S3E_NEW(entry)) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for the model");
    }
    s3e_rc rc = S3E_OK;
    entry->name = s3e_strdup(args->name);
    entry->path = s3e_strdup(s3e_span_str(args->path));
    if (!entry->name || !entry->path) {
        rc = s3e_fail(err, S3E_E_NOMEM, "no memory for the model");
    }
    if (!rc) {
        rc = load_weights(&entry->shared, args, err);
    }
    if (rc) {
        free_entry(entry);
        return rc;
    }
    *out = *end = entry;
    return S3E_OK;
}

bool s3e_models_unload(struct s3e_connection *conn, struct s3e_span name)
{
    struct s3e_models **link = find(conn, name);
    struct s3e_models *entry = *link;
    if (!entry) {
        return false;
    }
    *link = entry->next;
    free_entry(entry);
    return true;
}

static s3e_rc none_of_that_name(const struct s3e_connection *conn,
    struct s3e_span name, struct s3e_err *err)
{
    struct s3e_buf names = S3E_BUF(NAMES_MAX);
    if (name.len > NAME_SHOWN) {
        name.len = NAME_SHOWN;
    }
    for (const struct s3e_models *m = conn->models; m; m = m->next) {
        s3e_buf_printf(&names, ", %s", m->name);
    }
    const s3e_rc rc = s3e_fail(err, S3E_E_INPUT,
        "no model named '%.*s': embed_load(name, path) loads one; there are "
        "" S3E_MODELS_DEFAULT "%.*s",
        S3E_SPAN_ARG(name), S3E_SPAN_ARG(s3e_buf_span(&names)));
    s3e_buf_free(&names);
    return rc;
}

s3e_rc s3e_models_find(struct s3e_connection *conn, struct s3e_span name,
    struct s3e_model **out, struct s3e_err *err)
{
    struct s3e_models *entry = *find(conn, name);
    *out = NULL;
    if (entry) {
        *out = s3e_model_ref(entry->shared->model);
        return S3E_OK;
    }
    return s3e_span_eq(name, S3E_LIT(S3E_MODELS_DEFAULT))
               ? s3e_model_default(out, err)
               : none_of_that_name(conn, name, err);
}

const struct s3e_model_info *s3e_models_info(const struct s3e_models *entry)
{
    return s3e_model_info(entry->shared->model);
}

void s3e_models_free(struct s3e_models *models)
{
    while (models) {
        struct s3e_models *next = models->next;
        free_entry(models);
        models = next;
    }
}
