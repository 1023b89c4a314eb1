/* store_kinds.h - the stores there are: each a file of its own, and a line in
 * store.c's table. */
#ifndef S3E_S3VFS_STORE_KINDS_H
#define S3E_S3VFS_STORE_KINDS_H

#include "s3vfs/store.h"

/* How a store's start ends, once: counts `op`, tells its maker, and lets go of
 * the store. `op` may be gone after it, and the store too. */
void s3e_op_end(struct s3e_store *store, struct s3e_op *op, s3e_rc rc);

extern const struct s3e_store_kind s3e_s3_store_kind;  /* s3_store.c */
extern const struct s3e_store_kind s3e_dir_store_kind; /* dir_store.c */

#endif
