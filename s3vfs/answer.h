/* answer.h - what S3's refusal means: its code and status as one of our
 * outcomes, and the region it names. Pure. */
#ifndef S3E_S3VFS_ANSWER_H
#define S3E_S3VFS_ANSWER_H

#include "s3vfs/transport.h"
#include "s3vfs/xml.h"

/* A refusal, read. */
struct s3e_refusal {
    int status;
    struct s3e_xml_error xml; /* code is never "" */
    s3e_rc rc;                /* never S3E_OK */
    const char *hint;         /* what to do or think; "" where S3's code says
                                 enough */
    char region[64];          /* where the bucket is, if that was told */
    bool elsewhere;           /* the region may be the trouble */
    bool expired;             /* the credentials may be had anew */
    int64_t retry_after_s;    /* -1 where there is none */
};

/* Reads an answer that is no success: status, headers, an <Error> if it has
 * one. Source: Amazon S3 API Reference, "Error responses". */
void s3e_refusal_read(struct s3e_refusal *out, const struct s3e_exchange *ex);

#endif
