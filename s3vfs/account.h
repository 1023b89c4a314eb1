/* s3vfs/account.h - who we are and where: settings resolved in botocore's
 * order, credentials found once and kept, the region of each bucket learned.
 * One a connection, made anew when a setting changes. */
#ifndef S3E_S3VFS_ACCOUNT_H
#define S3E_S3VFS_ACCOUNT_H

#include "base/buf.h"
#include "base/status.h"
#include "s3vfs/transport.h"

/* What SQL set by s3_config(); NULL or "" where it did not. Order of
 * resolution: these > environment > profile > default. */
struct s3e_overrides {
    const char *region, *profile, *endpoint_url;
    const char *addressing_style; /* auto, path, virtual */
    const char *no_sign_request;  /* "0", "1" */
    const char *request_payer;    /* "requester" */
    const char *expected_bucket_owner;
    const char *ca_bundle;
    const char *access_key_id, *secret_access_key, *session_token;
    const char *max_attempts;    /* 1..20, default 3 */
    const char *connect_timeout; /* seconds, default 3.1 */
    const char *read_timeout;    /* seconds without progress, default 10 */
    const char *max_connections; /* 1..1024, default 64 */
};

/* A snapshot of credentials; owned by the caller: s3e_credentials_deinit. */
struct s3e_credentials {
    char *access_key_id, *secret_access_key;
    char *session_token; /* NULL if there is none */
    char *source;        /* words for messages: "IMDS role s3_access",
                            "environment", "profile default", "anonymous" */
    int64_t expires;     /* seconds since 1970; 0: never */
    bool anonymous;      /* the request is not signed */
};
void s3e_credentials_deinit(struct s3e_credentials *c);

/* Environment lookups go through this, so that tests need not change the
 * process's: getenv's shape. */
typedef const char *(*s3e_getenv)(void *ctx, const char *name);

struct s3e_account;

/* Resolves settings; reads the shared files, sends nothing.
 *
 * out        one reference.
 * transport  borrowed, must outlive the account; used for IMDS.
 * getenv_fn  NULL: the process's environment.
 * Errors     S3E_E_INPUT (a setting's value is wrong, a profile that was named
 *            is not there), S3E_E_FORMAT (a file is malformed: name and line),
 *            S3E_E_NOMEM.
 * Thread     the account is locked inside: any thread. */
S3E_MUST_CHECK s3e_rc s3e_account_new(struct s3e_account **out,
    const struct s3e_overrides *overrides, struct s3e_transport *transport,
    s3e_getenv getenv_fn, void *getenv_ctx, struct s3e_err *err);
struct s3e_account *s3e_account_ref(struct s3e_account *account);
void s3e_account_unref(struct s3e_account *account); /* NULL is allowed */

/* Makes sure that credentials and a region are known and fresh, walking the
 * chain where they are not: may block on files and IMDS (stop as in
 * s3e_exchange_run). Called on the SQL thread before operations start.
 * Errors  S3E_E_AUTH (none found: the sentence lists what was tried),
 *         S3E_E_STOPPED, S3E_E_NOMEM. */
S3E_MUST_CHECK s3e_rc s3e_account_prepare(struct s3e_account *account,
    bool (*stop)(void *ctx), void *ctx, struct s3e_err *err);

/* Copies the credentials last prepared; never blocks on the network. */
S3E_MUST_CHECK s3e_rc s3e_account_credentials(struct s3e_account *account,
    struct s3e_credentials *out, struct s3e_err *err);

/* The store said that these credentials (by access key) are expired: the next
 * prepare walks the chain again. */
void s3e_account_expire(struct s3e_account *account, const char *access_key_id);

/* The region to sign for `bucket` ("" for none): learned, else configured, else
 * us-east-1. Copies at most room - 1 bytes. */
void s3e_account_region(
    struct s3e_account *account, const char *bucket, char *out, size_t room);
void s3e_account_learn_region(
    struct s3e_account *account, const char *bucket, const char *region);

/* What does not change after s3e_account_new. */
struct s3e_account_info {
    char *endpoint_url;     /* NULL: AWS's own for the region */
    char *addressing_style; /* auto, path, virtual */
    char *request_payer, *expected_bucket_owner; /* NULL: not sent */
    unsigned max_attempts;
    struct s3e_route route;
    struct s3e_transport *transport;
};
const struct s3e_account_info *s3e_account_info(
    const struct s3e_account *account);

#endif
