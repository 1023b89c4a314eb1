#include "s3vfs/store.h"

#include "s3vfs/latch.h"
#include "s3vfs/store_kinds.h"
#include "s3vfs/uri.h"

static const struct s3e_store_kind *const g_kinds[] = {
#define STORE_KIND(name, kind, ...) [S3E_SCHEME_##name] = &(kind),
    S3E_STORE_KINDS(STORE_KIND)
#undef STORE_KIND
};

static struct {
    atomic_uint_fast64_t lists, gets, heads, retries, bytes, failures;
} g_stats;

s3e_rc s3e_store_open(struct s3e_store **out, const struct s3e_target *target,
    struct s3e_account *account, struct s3e_err *err)
{
    const struct s3e_store_kind *kind = g_kinds[target->scheme];
    const s3e_rc rc = kind->open(out, target, account, err);
    if (!rc) {
        (*out)->kind = kind;
        atomic_init(&(*out)->refs, 1);
    }
    return rc;
}

struct s3e_store *s3e_store_ref(struct s3e_store *store)
{
    atomic_fetch_add_explicit(&store->refs, 1, memory_order_relaxed);
    return store;
}

void s3e_store_unref(struct s3e_store *store)
{
    if (store &&
        atomic_fetch_sub_explicit(&store->refs, 1, memory_order_acq_rel) == 1) {
        store->kind->close(store);
    }
}

void s3e_store_start(struct s3e_store *store, struct s3e_op *op)
{
    switch (op->in.kind) {
    case S3E_OP_LIST:
    case S3E_OP_BUCKETS:
        atomic_fetch_add(&g_stats.lists, 1);
        break;
    case S3E_OP_HEAD:
        atomic_fetch_add(&g_stats.heads, 1);
        break;
    case S3E_OP_GET:
        atomic_fetch_add(&g_stats.gets, 1);
        break;
    }
    (void)s3e_store_ref(store);
    store->kind->start(store, op);
}

void s3e_op_end(struct s3e_store *store, struct s3e_op *op, s3e_rc rc)
{
    op->out.rc = rc;
    atomic_fetch_add(&g_stats.retries, op->out.retries);
    atomic_fetch_add(&g_stats.bytes, s3e_blob_span(op->out.blob).len);
    if (rc != S3E_OK && rc != S3E_E_STOPPED) {
        atomic_fetch_add(&g_stats.failures, 1);
    }
    op->in.done(op);
    s3e_store_unref(store);
}

void s3e_store_cancel(struct s3e_store *store, struct s3e_op *op)
{
    store->kind->cancel(store, op);
}

static void open_latch(struct s3e_op *op)
{
    s3e_latch_open(op->in.user);
}

s3e_rc s3e_store_run(struct s3e_store *store, struct s3e_op *op,
    bool (*stop)(void *ctx), void *ctx, struct s3e_err *err)
{
    struct s3e_latch latch;
    const s3e_rc rc = s3e_latch_init(&latch, err);
    if (rc) {
        return rc;
    }
    op->in.done = open_latch;
    op->in.user = &latch;
    s3e_store_start(store, op);
    if (!s3e_latch_wait(&latch, stop, ctx)) {
        s3e_store_cancel(store, op);
        (void)s3e_latch_wait(&latch, NULL, NULL);
    }
    s3e_latch_deinit(&latch);
    if (op->out.rc) {
        *err = op->out.err;
    }
    return op->out.rc;
}

void s3e_op_reset(struct s3e_op *op)
{
    s3e_blob_unref(op->out.blob);
    s3e_page_unref(op->out.page);
    memset(&op->out, 0, sizeof op->out);
}

struct s3e_store_stats s3e_store_stats(void)
{
    return (struct s3e_store_stats){
        .lists = atomic_load(&g_stats.lists),
        .gets = atomic_load(&g_stats.gets),
        .heads = atomic_load(&g_stats.heads),
        .retries = atomic_load(&g_stats.retries),
        .bytes = atomic_load(&g_stats.bytes),
        .failures = atomic_load(&g_stats.failures),
    };
}
