#include "ext/source.h"

#include "base/mem.h"

struct context {
    struct s3e_store *store;
    uint64_t max_bytes;
};

/* A GET on its way; counted, because a cancel may still be inside the store
 * while the fetch ends. */
struct get {
    atomic_int refs;
    struct s3e_op op;
    struct s3e_store *store;
    struct s3e_fetch *fetch;
};

struct s3e_row *s3e_row_new(struct s3e_page *page, size_t index)
{
    struct s3e_row *row;
    if (S3E_NEW(row)) {
        row->page = s3e_page_ref(page);
        row->object = &page->objects[index];
    }
    return row;
}

void s3e_row_free(struct s3e_row *row)
{
    if (row) {
        s3e_page_unref(row->page);
        s3e_free(row);
    }
}

static void row_free(void *row)
{
    s3e_row_free(row);
}

static void get_unref(struct get *get)
{
    if (atomic_fetch_sub(&get->refs, 1) == 1) {
        s3e_op_reset(&get->op);
        s3e_store_unref(get->store);
        s3e_free(get);
    }
}

static void done(struct s3e_op *op)
{
    struct get *get = op->in.user;
    struct s3e_blob *blob = op->out.blob;
    op->out.blob = NULL;
    s3e_fetch_done(
        get->fetch, op->out.rc, blob, &op->out.err, op->out.total_us);
    get_unref(get);
}

static void start(void *ctx, struct s3e_fetch *fetch, void *item, void **token)
{
    const struct context *context = ctx;
    const struct s3e_row *row = item;
    struct get *get;
    if (!S3E_NEW(get)) {
        struct s3e_err err;
        (void)s3e_fail(&err, S3E_E_NOMEM, "out of memory");
        s3e_fetch_done(fetch, S3E_E_NOMEM, NULL, &err, 0);
        return;
    }
    atomic_init(&get->refs, 1);
    get->store = s3e_store_ref(context->store);
    get->fetch = fetch;
    get->op.in.kind = S3E_OP_GET;
    get->op.in.key = row->object->key;
    get->op.in.etag = row->object->etag;
    get->op.in.max_bytes = context->max_bytes;
    get->op.in.done = done;
    get->op.in.user = get;
    *token = get;
    s3e_store_start(get->store, &get->op);
}

static void cancel(void *ctx, void *token)
{
    struct get *get = token;
    (void)ctx;
    atomic_fetch_add(&get->refs, 1);
    s3e_store_cancel(get->store, &get->op);
    get_unref(get);
}

static void context_free(void *ctx)
{
    struct context *context = ctx;
    s3e_store_unref(context->store);
    s3e_free(context);
}

s3e_rc s3e_source_init(struct s3e_source *out, struct s3e_store *store,
    uint64_t max_bytes, struct s3e_err *err)
{
    struct context *context;
    if (!S3E_NEW(context)) {
        return s3e_fail(err, S3E_E_NOMEM, "out of memory");
    }
    context->store = s3e_store_ref(store);
    context->max_bytes = max_bytes;
    *out = (struct s3e_source){start, cancel, row_free, context_free, context};
    return S3E_OK;
}
