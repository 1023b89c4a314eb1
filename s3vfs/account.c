#include "s3vfs/account.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/sync.h"
#include "s3vfs/cred_chain.h"
#include "s3vfs/resolve.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ADVISORY_S = 15 * 60, /* keys are renewed so long before they expire */
    RETRY_S = 60,         /* and looked for no more often than that */
    LEARNED_MAX = 64,     /* buckets; the oldest gives way */
    BUCKET_ROOM = 64
};

struct s3e_account {
    atomic_int refs;
    struct s3e_resolved set; /* these four: set once */
    struct s3e_profile profile;
    struct s3e_env env;
    bool profile_named; /* by SQL */
    struct s3e_mutex lock;
    struct {
        struct s3e_credentials credentials;
        bool known;
        int64_t renew_at;            /* seconds since 1970; 0: never */
        char region[S3E_REGION_MAX]; /* IMDS's, or "" */
        struct {
            char bucket[BUCKET_ROOM], region[S3E_REGION_MAX];
        } learned[LEARNED_MAX];
        size_t num_learned; /* ever; the next goes to this modulo the max */
    } locked;
};

static const char *process_env(void *ctx, const char *name)
{
    (void)ctx;
    return getenv(name);
}

s3e_rc s3e_account_new(struct s3e_account **out,
    const struct s3e_overrides *overrides, struct s3e_transport *transport,
    s3e_getenv getenv_fn, void *getenv_ctx, struct s3e_err *err)
{
    struct s3e_account *a = NULL;
    if (!S3E_NEW(a)) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for an account");
    }
    s3e_rc rc = s3e_mutex_init(&a->lock, err);
    if (rc) {
        s3e_free(a);
        return rc;
    }
    atomic_init(&a->refs, 1);
    a->env = (struct s3e_env){getenv_fn ? getenv_fn : process_env, getenv_ctx};
    a->profile_named = overrides->profile && *overrides->profile;
    rc = s3e_profile_load(&a->profile, overrides->profile, &a->env, err);
    if (rc == S3E_OK) {
        rc = s3e_resolve(&a->set, overrides, &a->env, &a->profile, err);
    }
    if (rc) {
        s3e_account_unref(a);
        return rc;
    }
    a->set.info.transport = transport;
    *out = a;
    return S3E_OK;
}

struct s3e_account *s3e_account_ref(struct s3e_account *account)
{
    atomic_fetch_add_explicit(&account->refs, 1, memory_order_relaxed);
    return account;
}

void s3e_account_unref(struct s3e_account *account)
{
    if (!account || atomic_fetch_sub_explicit(
                        &account->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    s3e_credentials_deinit(&account->locked.credentials);
    s3e_resolved_deinit(&account->set);
    s3e_profile_deinit(&account->profile);
    s3e_mutex_deinit(&account->lock);
    s3e_free(account);
}

const struct s3e_account_info *s3e_account_info(
    const struct s3e_account *account)
{
    return &account->set.info;
}

/* ---- Credentials ---- */

/* A quarter of short lives; never so soon that each call looks again. */
static int64_t renewal(int64_t expires, int64_t now)
{
    if (expires == 0) {
        return 0;
    }
    const int64_t quarter = expires > now ? (expires - now) / 4 : 0;
    const int64_t ahead = quarter < ADVISORY_S ? quarter : ADVISORY_S;
    const int64_t at = expires - ahead;
    return at > now + RETRY_S ? at : now + RETRY_S;
}

static bool is_fresh(struct s3e_account *a, int64_t now)
{
    s3e_mutex_lock(&a->lock);
    const bool fresh = a->locked.known &&
                       (a->locked.renew_at == 0 || now < a->locked.renew_at);
    s3e_mutex_unlock(&a->lock);
    return fresh;
}

static void put_found(
    struct s3e_account *a, struct s3e_cred_found *found, int64_t now)
{
    s3e_mutex_lock(&a->lock);
    struct s3e_credentials old = a->locked.credentials;
    a->locked.credentials = found->credentials;
    a->locked.known = true;
    a->locked.renew_at = renewal(found->credentials.expires, now);
    if (found->region[0]) {
        memcpy(a->locked.region, found->region, sizeof a->locked.region);
    }
    s3e_mutex_unlock(&a->lock);
    s3e_credentials_deinit(&old);
}

/* Whether the old keys, which are due for renewal, may go on for a while. */
static bool old_ones_last(struct s3e_account *a, int64_t now)
{
    s3e_mutex_lock(&a->lock);
    const bool last = a->locked.known && a->locked.credentials.expires > now;
    if (last) {
        a->locked.renew_at = now + RETRY_S;
    }
    s3e_mutex_unlock(&a->lock);
    return last;
}

s3e_rc s3e_account_prepare(struct s3e_account *account, bool (*stop)(void *ctx),
    void *ctx, struct s3e_err *err)
{
    const int64_t now = s3e_clock_unix();
    if (is_fresh(account, now)) {
        return S3E_OK;
    }
    struct s3e_cred_found found = {0};
    const struct s3e_cred_query query = {
        .anonymous = account->set.anonymous,
        .access_key_id = account->set.access_key_id,
        .secret_access_key = account->set.secret_access_key,
        .session_token = account->set.session_token,
        .profile_named = account->profile_named,
        .env = &account->env,
        .profile = &account->profile,
        .transport = account->set.info.transport,
        .stop = stop,
        .stop_ctx = ctx,
        .want_region = !account->set.region,
    };
    const s3e_rc rc = s3e_cred_find(&found, &query, err);
    if (rc == S3E_OK) {
        put_found(account, &found, now);
        return S3E_OK;
    }
    return rc == S3E_E_AUTH && old_ones_last(account, now) ? S3E_OK : rc;
}

static s3e_rc copy_credentials(struct s3e_credentials *out,
    const struct s3e_credentials *from, struct s3e_err *err)
{
    *out = (struct s3e_credentials){
        .expires = from->expires, .anonymous = from->anonymous};
    const s3e_rc rc = s3e_cred_set(out, s3e_span_str(from->access_key_id),
        s3e_span_str(from->secret_access_key),
        s3e_span_str(from->session_token), from->source, err);
    if (rc) {
        s3e_credentials_deinit(out);
    }
    return rc;
}

s3e_rc s3e_account_credentials(struct s3e_account *account,
    struct s3e_credentials *out, struct s3e_err *err)
{
    *out = (struct s3e_credentials){0};
    s3e_mutex_lock(&account->lock);
    const s3e_rc rc =
        account->locked.known
            ? copy_credentials(out, &account->locked.credentials, err)
            : s3e_fail(err, S3E_E_AUTH, "credentials were not looked for yet");
    s3e_mutex_unlock(&account->lock);
    return rc;
}

void s3e_account_expire(struct s3e_account *account, const char *access_key_id)
{
    s3e_mutex_lock(&account->lock);
    struct s3e_credentials *c = &account->locked.credentials;
    if (c->access_key_id && strcmp(c->access_key_id, access_key_id) == 0) {
        c->expires = 1;
        account->locked.renew_at = 1;
    }
    s3e_mutex_unlock(&account->lock);
}

/* ---- Regions ---- */

/* The place of `bucket`, or LEARNED_MAX. */
static size_t find_learned(const struct s3e_account *a, const char *bucket)
{
    const size_t count = a->locked.num_learned < LEARNED_MAX
                             ? a->locked.num_learned
                             : LEARNED_MAX;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(a->locked.learned[i].bucket, bucket) == 0) {
            return i;
        }
    }
    return LEARNED_MAX;
}

void s3e_account_region(
    struct s3e_account *account, const char *bucket, char *out, size_t room)
{
    s3e_mutex_lock(&account->lock);
    const size_t at = find_learned(account, bucket);
    const char *region = "us-east-1";
    if (at < LEARNED_MAX) {
        region = account->locked.learned[at].region;
    } else if (account->set.region) {
        region = account->set.region;
    } else if (account->locked.region[0]) {
        region = account->locked.region;
    }
    (void)snprintf(out, room, "%s", region);
    s3e_mutex_unlock(&account->lock);
}

void s3e_account_learn_region(
    struct s3e_account *account, const char *bucket, const char *region)
{
    if (!s3e_region_check(s3e_span_str(region)) || !*bucket ||
        strlen(bucket) >= BUCKET_ROOM) {
        return;
    }
    s3e_mutex_lock(&account->lock);
    size_t at = find_learned(account, bucket);
    if (at == LEARNED_MAX) {
        at = account->locked.num_learned++ % LEARNED_MAX;
    }
    (void)snprintf(
        account->locked.learned[at].bucket, BUCKET_ROOM, "%s", bucket);
    (void)snprintf(
        account->locked.learned[at].region, S3E_REGION_MAX, "%s", region);
    s3e_mutex_unlock(&account->lock);
}
