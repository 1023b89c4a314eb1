/* ext/models.h - the models of a connection, by name. Connections that loaded
 * the same file in the same way share its weights.
 *
 * Thread  as the connection, but for what they share: locked inside. */
#ifndef S3E_EXT_MODELS_H
#define S3E_EXT_MODELS_H

#include "base/span.h"
#include "base/status.h"
#include "nn/model.h"

#include <stdbool.h>

struct s3e_connection;

/* What embed(image) uses: the embedded model, until another is loaded under
 * this name. */
#define S3E_MODELS_DEFAULT "default"

/* A model that embed_load() registered, and those registered after it. */
struct s3e_models {
    struct s3e_models *next;
    char *name, *path;          /* owned */
    struct s3e_weights *shared; /* counted */
};

/* What embed_load() is asked for; all borrowed. */
struct s3e_models_args {
    struct s3e_span name;
    const char *path;
    const char *recipe; /* JSON; NULL: from the file beside the model */
    const char *output; /* a tensor's name; NULL: the only one */
    bool normalize;
};

/* The model called `name`.
 *
 * out     a new reference.
 * Errors  S3E_E_INPUT (none of that name: those that there are are listed),
 *         s3e_model_default's. */
S3E_MUST_CHECK s3e_rc s3e_models_find(struct s3e_connection *conn,
    struct s3e_span name, struct s3e_model **out, struct s3e_err *err);

/* Loads a model from a file and registers it.
 *
 * out     valid until it is unloaded.
 * Errors  S3E_E_INPUT (the name is in use or empty, no recipe to be had),
 *         s3e_file_read's, s3e_recipe_parse's, s3e_model_new's; nothing is left
 *         behind. */
S3E_MUST_CHECK s3e_rc s3e_models_load(struct s3e_connection *conn,
    const struct s3e_models **out, const struct s3e_models_args *args,
    struct s3e_err *err);

/* True where there was a loaded one of that name. Vectors that are being made
 * of it are made still. */
bool s3e_models_unload(struct s3e_connection *conn, struct s3e_span name);

/* Of an entry; valid while it is registered. */
const struct s3e_model_info *s3e_models_info(const struct s3e_models *entry);

void s3e_models_free(struct s3e_models *models); /* NULL is allowed */

#endif
