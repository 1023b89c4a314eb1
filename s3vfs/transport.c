#include "s3vfs/transport.h"

#include "s3vfs/latch.h"

static struct s3e_span trim(struct s3e_span s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s = s3e_span_from(s, 1);
    }
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

struct s3e_span s3e_exchange_header(
    const struct s3e_exchange *ex, const char *name)
{
    const struct s3e_span want = s3e_span_str(name);
    struct s3e_span rest = s3e_buf_span(&ex->out.headers);
    while (rest.len) {
        const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
        const size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
        const struct s3e_span line = {rest.ptr, len};
        if (len > want.len && s3e_span_starts(line, want) &&
            line.ptr[want.len] == ':') {
            return trim(s3e_span_from(line, want.len + 1));
        }
        rest = s3e_span_from(rest, end ? len + 1 : len);
    }
    return (struct s3e_span){0};
}

int64_t s3e_exchange_number(const struct s3e_exchange *ex, const char *name)
{
    const struct s3e_span s = s3e_exchange_header(ex, name);
    int64_t value = s.len > 0 && s.len <= 18 ? 0 : -1;
    for (size_t i = 0; i < s.len && value >= 0; i++) {
        const bool digit = s.ptr[i] >= '0' && s.ptr[i] <= '9';
        value = digit ? 10 * value + (s.ptr[i] - '0') : -1;
    }
    return value;
}

void s3e_exchange_reset(struct s3e_exchange *ex)
{
    s3e_buf_free(&ex->out.headers);
    s3e_blob_unref(ex->out.body);
    memset(&ex->out, 0, sizeof ex->out);
}

static void open_latch(struct s3e_exchange *ex)
{
    s3e_latch_open(ex->in.user);
}

s3e_rc s3e_exchange_run(struct s3e_transport *t, struct s3e_exchange *ex,
    bool (*stop)(void *stop_ctx), void *stop_ctx)
{
    struct s3e_latch latch;
    const s3e_rc rc = s3e_latch_init(&latch, &ex->out.err);
    if (rc) {
        ex->out.rc = rc;
        return rc;
    }
    ex->in.done = open_latch;
    ex->in.user = &latch;
    t->start(t, ex);
    if (!s3e_latch_wait(&latch, stop, stop_ctx)) {
        t->cancel(t, ex);
        (void)s3e_latch_wait(&latch, NULL, NULL);
    }
    s3e_latch_deinit(&latch);
    return ex->out.rc;
}
