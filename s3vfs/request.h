/* request.h - one reading request to S3 with all that it takes: addressed and
 * signed at each send, sent again where that helps, to the region where the
 * bucket is, and its failure told in one sentence. */
#ifndef S3E_S3VFS_REQUEST_H
#define S3E_S3VFS_REQUEST_H

#include "s3vfs/account.h"
#include "s3vfs/address.h"
#include "s3vfs/transport.h"

/* Zero state: all zeros. The maker keeps it until `done` was called. */
struct s3e_request {
    struct {
        struct s3e_account *account; /* borrowed, with the bucket's name */
        const char *bucket;          /* "": the account's buckets */
        const char *method;          /* GET or HEAD; a literal */
        struct s3e_span key, query;  /* as they are; percent-encoded. These and
                                        the etag are copied by start */
        struct s3e_span etag;        /* If-Match; empty: any */
        uint64_t offset, length;     /* a range where length > 0 */
        size_t max_body;             /* of a good answer */
        /* Looks at a 2xx answer (ex.out) before it counts as one. What it
         * finds malformed (S3E_E_FORMAT) is asked for again. May be NULL. */
        s3e_rc (*accept)(struct s3e_request *r, struct s3e_err *err);
        void (*done)(struct s3e_request *r); /* as of an exchange */
        void *user;
    } in;
    struct {
        s3e_rc rc; /* as of struct s3e_op */
        struct s3e_err err;
        unsigned retries;
    } out;
    struct s3e_exchange ex; /* after S3E_OK its out is the answer */
    struct {
        struct s3e_buf key, query, etag;
        struct s3e_address address;
        struct s3e_buf url, lines;
        const char *headers[16];
        char region[S3E_REGION_MAX], source[80], access_key_id[136];
        unsigned attempts;
        bool moved; /* the region was learned on the way */
        enum { S3E_PROBE_NONE, S3E_PROBE_NOW, S3E_PROBE_DONE } probe;
        s3e_rc failed; /* what the answer before the probe came to */
    } own;
};

/* Sends. `done` comes once, perhaps before this returns. Thread any. */
void s3e_request_start(struct s3e_request *r);

/* As s3e_transport.cancel. */
void s3e_request_cancel(struct s3e_request *r);

/* Frees what it holds, the answer too; `in` stays. */
void s3e_request_deinit(struct s3e_request *r);

#endif
