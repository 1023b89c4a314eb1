/* ext/functions.h - the SQL functions and modules, each in the file that its
 * name says; init.c registers them from its two tables. */
#ifndef S3E_EXT_FUNCTIONS_H
#define S3E_EXT_FUNCTIONS_H

#include "ext/sqlite.h"

/* fn_s3.c */
void s3e_fn_s3_get(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void s3e_fn_s3_get_range(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void s3e_fn_s3_head(sqlite3_context *ctx, int argc, sqlite3_value **argv);

/* fn_embed.c */
void s3e_fn_embed(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void s3e_fn_image_info(sqlite3_context *ctx, int argc, sqlite3_value **argv);

/* fn_config.c */
void s3e_fn_s3_config(sqlite3_context *ctx, int argc, sqlite3_value **argv);

/* fn_vector.c */
void s3e_fn_embed_json(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void s3e_fn_embed_csv(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void s3e_fn_embed_distance(
    sqlite3_context *ctx, int argc, sqlite3_value **argv);

/* fn_model.c */
void s3e_fn_embed_load(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void s3e_fn_embed_unload(sqlite3_context *ctx, int argc, sqlite3_value **argv);

/* fn_debug.c */
void s3e_fn_version(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void s3e_fn_debug(sqlite3_context *ctx, int argc, sqlite3_value **argv);

/* vt_objects.c */
extern const sqlite3_module s3e_vt_objects;

#endif
