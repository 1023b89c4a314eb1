/* address.h - the URL of a bucket or an object, as AWS's own clients address
 * it. Pure. */
#ifndef S3E_S3VFS_ADDRESS_H
#define S3E_S3VFS_ADDRESS_H

#include "base/buf.h"

enum { S3E_URL_MAX = 16384, S3E_REGION_MAX = 64 /* bytes, with the NUL */ };

struct s3e_address_args {
    const char *endpoint_url; /* NULL: AWS's own for the region */
    const char *style;        /* auto, path, virtual */
    const char *region;
    const char *bucket;  /* "": the service itself */
    struct s3e_span key; /* empty: the bucket */
};

/* An URL without query; zero state S3E_ADDRESS; free with s3e_buf_free. */
struct s3e_address {
    struct s3e_buf url; /* not NUL-terminated */
    size_t host_at, path_at;
};
#define S3E_ADDRESS ((struct s3e_address){.url = S3E_BUF(S3E_URL_MAX)})

/* Makes `out` the URL; what it held is forgotten. auto is the virtual host
 * (bucket.s3.region.amazonaws.com) for AWS unless the bucket's name has dots,
 * which no certificate covers; the path (host/bucket) for an endpoint of one's
 * own.
 *
 * Errors  S3E_E_INPUT (an endpoint that is not http or https, or has a user,
 *         a query or a fragment; a region that is no name), S3E_E_LIMIT,
 *         S3E_E_NOMEM.
 * Source  Amazon S3 user guide, "Virtual hosting of buckets"; AWS General
 *         Reference, "Amazon S3 endpoints". */
S3E_MUST_CHECK s3e_rc s3e_address_make(struct s3e_address *out,
    const struct s3e_address_args *args, struct s3e_err *err);

/* What the Host header will say; what is signed as the path. */
struct s3e_span s3e_address_host(const struct s3e_address *address);
struct s3e_span s3e_address_path(const struct s3e_address *address);

/* True where `region` is a name that may stand in a host: a-z 0-9 and '-'. */
bool s3e_region_check(struct s3e_span region);

#endif
