/* include/s3embed.h - all that a program linking s3embed statically sees:
 * hand one of these to sqlite3_auto_extension(), or call it on a connection. */
#ifndef S3EMBED_H
#define S3EMBED_H

#include <sqlite3.h>

#define S3EMBED_VERSION "0.1.0"

#if defined(__GNUC__)
# define S3EMBED_API __attribute__((visibility("default")))
#else
# define S3EMBED_API
#endif

struct sqlite3_api_routines;

/* Registers every function and table on `db`.
 *
 * message  on failure a sentence for sqlite3_free, or untouched.
 * Returns  SQLITE_OK_LOAD_PERMANENTLY, or an error. */
S3EMBED_API int sqlite3_sembed_init(
    sqlite3 *db, char **message, const struct sqlite3_api_routines *api);

/* Registers embed(), image_info() and the vector functions alone: nothing that
 * reaches a store, a file or a network. */
S3EMBED_API int sqlite3_sembednonet_init(
    sqlite3 *db, char **message, const struct sqlite3_api_routines *api);

#endif
