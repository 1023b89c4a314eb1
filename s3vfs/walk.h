/* walk.h - the files under a folder as S3 would list them: in byte order of
 * their paths, where a folder sorts as its name with a slash. Each page walks
 * anew from where it begins, past whole folders: nothing is kept between. */
#ifndef S3E_S3VFS_WALK_H
#define S3E_S3VFS_WALK_H

#include "s3vfs/page.h"

#include <sys/stat.h>

enum {
    S3E_WALK_DEPTH_MAX = 64, /* folders within folders */
    S3E_IDENTITY_MAX = 40    /* bytes of an ETag of ours, with the NUL */
};

struct s3e_walk_args {
    struct s3e_span prefix, after; /* as S3's prefix and start-after */
    bool folders;  /* delimiter '/': folders are rows, not walked into */
    unsigned rows; /* of the page; what comes next is told by `more` */
};

/* Adds a page of what is under `folder` to `page`; `more` and next_token too.
 * Files that links lead to are files, folders likewise, but for a folder that
 * holds itself; what is neither, links to nowhere, and folders below `folder`
 * that we may not read or enter are left out.
 *
 * folder  absolute path.
 * Errors  S3E_E_DENIED (`folder` itself), S3E_E_IO, S3E_E_NOTFOUND (no such folder),
 *         S3E_E_LIMIT (too deep), S3E_E_NOMEM.
 * Thread  any. */
S3E_MUST_CHECK s3e_rc s3e_walk(struct s3e_page_builder *page,
    const char *folder, const struct s3e_walk_args *args, struct s3e_err *err);

/* What changes when a file does: in place of an ETag. */
void s3e_file_identity(char out[S3E_IDENTITY_MAX], const struct stat *st);

#endif
