/* ca.h - which file of trusted CAs TLS goes by: distributions differ, and
 * libcurl knows only that of the machine it was built for. */
#ifndef S3E_S3VFS_CA_H
#define S3E_S3VFS_CA_H

#include "base/status.h"

/* The path of a readable PEM file, valid until the environment changes:
 * `asked` where it is not NULL, else what AWS_CA_BUNDLE, CURL_CA_BUNDLE or
 * SSL_CERT_FILE name, else the first there is of the distributions' places.
 *
 * Errors  S3E_E_UNREACHABLE: a file that was named is not readable, or there
 *         is none; the sentence says who named it.
 * Thread  any, as getenv. */
S3E_MUST_CHECK s3e_rc s3e_ca_path(
    const char **path, const char *asked, struct s3e_err *err);

#endif
