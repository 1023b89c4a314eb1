/* s3vfs/store_kinds.h - the stores there are. A new one is a file NAME_store.c
 * and its line below. */
#ifndef S3E_S3VFS_STORE_KINDS_H
#define S3E_S3VFS_STORE_KINDS_H

struct s3e_store_kind;

/* Name, the struct s3e_store_kind that its file defines, what its uris begin
 * with: at most S3E_SCHEME_WORDS, the longer first where one begins another. */
#define S3E_STORE_KINDS(X)                                                     \
 X(S3, s3e_s3_store_kind, "s3://", "s3a://", "s3n://")                         \
 X(FILE, s3e_dir_store_kind, "file:")

enum { S3E_SCHEME_WORDS = 4 };

enum s3e_scheme {
#define S3E_STORE_SCHEME(name, kind, ...) S3E_SCHEME_##name,
    S3E_STORE_KINDS(S3E_STORE_SCHEME)
#undef S3E_STORE_SCHEME
        S3E_SCHEMES
};

#define S3E_STORE_EXTERN(name, kind, ...)                                      \
 extern const struct s3e_store_kind kind;
S3E_STORE_KINDS(S3E_STORE_EXTERN)
#undef S3E_STORE_EXTERN

#endif
