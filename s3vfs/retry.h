/* retry.h - whether a request is sent again, and when: a pure policy. A token
 * bucket or hedging would decide here too. */
#ifndef S3E_S3VFS_RETRY_H
#define S3E_S3VFS_RETRY_H

#include "base/span.h"
#include "base/status.h"

enum {
    S3E_RETRY_BASE_MS = 50,   /* doubled at each attempt */
    S3E_RETRY_SLOW_MS = 1000, /* the same where the store asks for mercy */
    S3E_RETRY_CAP_MS = 20000  /* no wait is longer */
};

/* How an attempt ended. */
struct s3e_retry_facts {
    s3e_rc rc;            /* of the exchange: no whole answer unless S3E_OK */
    int status;           /* HTTP */
    struct s3e_span code; /* the store's word; may be empty */
    int64_t after_s;      /* Retry-After; -1 where there is none */
    unsigned attempts;    /* made so far, this one included: 1.. */
    unsigned max_attempts;
};

/* Milliseconds to wait before the next attempt; -1: there is none.
 *
 * dice    0 <= dice < 1: the wait is that part of the bound (full jitter), but
 *         never under what the store asked for.
 * Source  AWS SDKs reference guide, "Retry behavior", standard mode. */
int s3e_retry_wait_ms(const struct s3e_retry_facts *facts, double dice);

/* The next number 0 <= x < 1 of a cheap sequence; any seed will do. */
double s3e_retry_dice(uint64_t *state);

#endif
