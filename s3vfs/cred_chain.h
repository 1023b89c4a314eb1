/* s3vfs/cred_chain.h - where credentials may come from, asked in turn until
 * one has some. A new source is a file cred_NAME.c and its line below. */
#ifndef S3E_S3VFS_CRED_CHAIN_H
#define S3E_S3VFS_CRED_CHAIN_H

#include "s3vfs/account.h"
#include "s3vfs/address.h"
#include "s3vfs/profile.h"

/* The order of botocore's create_credential_resolver, as far as it goes, with
 * what SQL said ahead of it. */
#define S3E_CRED_SOURCES(X)                                                    \
 X(anonymous) /* no_sign_request */                                            \
 X(settings)  /* s3_config('aws_access_key_id', ...) */                        \
 X(env)       /* AWS_ACCESS_KEY_ID ... */                                      \
 X(profile)   /* static keys in the shared files */                            \
 X(imds)      /* the role of an EC2 instance */

/* What a source may look at; borrowed. */
struct s3e_cred_query {
    bool anonymous; /* nothing is to be signed */
    const char *access_key_id, *secret_access_key, *session_token; /* of SQL */
    bool profile_named; /* by SQL: then the environment's keys do not count */
    const struct s3e_env *env;
    const struct s3e_profile *profile;
    struct s3e_transport *transport;
    bool (*stop)(void *ctx); /* as in s3e_exchange_run */
    void *stop_ctx;
    bool want_region; /* nothing else tells one */
};

/* What it found; s3e_credentials_deinit it. */
struct s3e_cred_found {
    struct s3e_credentials credentials;
    char region[S3E_REGION_MAX]; /* where asked for and known, else "" */
};

/* A source: looks and fills `out`, which is all zeros.
 *
 * Errors  S3E_E_NOTFOUND: it has none, go on; the sentence says why ("" where
 *         that is not worth saying). Any other ends the walk: S3E_E_AUTH (some
 *         are there, but they are not whole), S3E_E_STOPPED, S3E_E_NOMEM. On
 *         failure the chain frees what `out` holds. */
#define S3E_CRED_DECLARE(name)                                                 \
 S3E_MUST_CHECK s3e_rc s3e_cred_##name(struct s3e_cred_found *out,             \
     const struct s3e_cred_query *query, struct s3e_err *err);
S3E_CRED_SOURCES(S3E_CRED_DECLARE)
#undef S3E_CRED_DECLARE

/* The first source's that has some.
 *
 * out     s3e_credentials_deinit its credentials; zero state on failure.
 * Errors  S3E_E_AUTH (the sentence lists what was tried and why it failed),
 *         S3E_E_STOPPED, S3E_E_NOMEM.
 * Thread  any; may block on files and the network. */
S3E_MUST_CHECK s3e_rc s3e_cred_find(struct s3e_cred_found *out,
    const struct s3e_cred_query *query, struct s3e_err *err);

/* For sources: copies keys and the words that name the source. `token` may be
 * empty. Errors: S3E_E_NOMEM. */
S3E_MUST_CHECK s3e_rc s3e_cred_set(struct s3e_credentials *out,
    struct s3e_span access_key_id, struct s3e_span secret_access_key,
    struct s3e_span token, const char *source, struct s3e_err *err);

#endif
