/* s3vfs/ini.h - the format of AWS's shared config and credentials files, as
 * botocore (Python's configparser) reads it: [section], key = value or key:
 * value, whole-line comments with # or ;, and
 *
 *     s3 =
 *         addressing_style = path
 *
 * where lines further in than a key without value are keys of that group.
 * Limits: 1 MiB, 10,000 keys.
 * Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials
 * files"; botocore's configloader. */
#ifndef S3E_S3VFS_INI_H
#define S3E_S3VFS_INI_H

#include "base/buf.h"

enum { S3E_INI_MAX = 1024 * 1024 }; /* bytes of a file */

/* Zero state: all zeros. Owns a copy of the text, which may hold secrets. */
struct s3e_ini {
    char *text;
    struct s3e_buf rows; /* of what ini.c knows */
};

/* Reads `text`; `name` stands for it in errors, which tell the line and never
 * what is on it.
 *
 * out     s3e_ini_deinit it; zero state on failure.
 * Errors  S3E_E_FORMAT (a line that is neither section, key nor comment; a NUL
 *         byte), S3E_E_LIMIT, S3E_E_NOMEM.
 * Thread  any. */
S3E_MUST_CHECK s3e_rc s3e_ini_parse(struct s3e_ini *out, const char *name,
    struct s3e_span text, struct s3e_err *err);

bool s3e_ini_has_section(const struct s3e_ini *ini, struct s3e_span section);

/* The value of `key` of `group` ("" for a key of the section itself), without
 * blanks around it; ptr NULL where there is none. Names of keys and groups in
 * any case; of two keys the later. Valid until s3e_ini_deinit. */
struct s3e_span s3e_ini_get(const struct s3e_ini *ini, struct s3e_span section,
    const char *group, const char *key);

/* Wipes and frees. */
void s3e_ini_deinit(struct s3e_ini *ini);

#endif
