#include "nn/session.h"

#include "base/mem.h"
#include "base/sync.h"
#include "nn/lower.h"
#include "nn/xnn.h"

#include <math.h>
#include <xnnpack.h>

enum { ALIGN = 64 }; /* bytes: a cache line, an AVX-512 register */

_Static_assert(XNN_EXTRA_BYTES <= S3E_PAD_BYTES, "kernels read further");

struct s3e_session {
    xnn_runtime_t runtime;
    float *input, *output; /* into `block`, aligned */
    void *block;
    const struct s3e_value *result;
};

static struct s3e_mutex g_making = S3E_MUTEX_STATIC;
static struct s3e_once g_hook_once = S3E_ONCE_STATIC;

static void before_fork(void)
{
    s3e_mutex_lock(&g_making);
}

static void after_fork(void)
{
    s3e_mutex_unlock(&g_making);
}

/* Without the hooks, for lack of memory, only a fork within these
 * milliseconds would be in danger. */
static void hook(void)
{
    struct s3e_err err;
    (void)!s3e_fork_hooks(before_fork, after_fork, after_fork, &err);
}

/* Both buffers in one block, each with room behind for kernels that read on. */
static s3e_rc make_buffers(struct s3e_session *session,
    const struct s3e_graph *graph, struct s3e_err *err)
{
    const size_t pad = S3E_PAD_BYTES + ALIGN;
    const size_t in = graph->input->shape.num * sizeof(float) + pad;
    const size_t out = graph->output->shape.num * sizeof(float) + pad;
    session->block = s3e_zalloc_array(in + out, 1);
    if (!session->block) {
        return s3e_fail(
            err, S3E_E_NOMEM, "no memory for %zu bytes of tensors", in + out);
    }
    char *at = session->block;
    char *aligned = at + (ALIGN - (uintptr_t)at % ALIGN) % ALIGN;
    session->input = (float *)(void *)aligned;
    session->output = (float *)(void *)(aligned + (in / ALIGN) * ALIGN);
    return S3E_OK;
}

static s3e_rc make_runtime(struct s3e_session *session,
    const struct s3e_graph *graph, struct s3e_err *err)
{
    xnn_subgraph_t subgraph = NULL;
    s3e_rc rc = s3e_lower(&subgraph, graph, err);
    if (rc) {
        return rc;
    }
    rc = s3e_xnn_check(
        (int)xnn_create_runtime_v2(subgraph, NULL, 0, &session->runtime),
        "the network", err);
    (void)xnn_delete_subgraph(subgraph);
    if (rc) {
        return rc;
    }
    const struct xnn_external_value ends[] = {
        {S3E_LOWER_INPUT, session->input},
        {S3E_LOWER_OUTPUT, session->output},
    };
    return s3e_xnn_check(
        (int)xnn_setup_runtime(session->runtime, 2, ends), "the network", err);
}

s3e_rc s3e_session_new(struct s3e_session **out, const struct s3e_graph *graph,
    struct s3e_err *err)
{
    struct s3e_session *session;
    *out = NULL;
    s3e_rc rc = s3e_xnn_start(err);
    if (rc) {
        return rc;
    }
    if (!S3E_NEW(session)) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a session");
    }
    session->result = graph->output;
    rc = make_buffers(session, graph, err);
    if (!rc) {
        s3e_once(&g_hook_once, hook);
        s3e_mutex_lock(&g_making);
        rc = make_runtime(session, graph, err);
        s3e_mutex_unlock(&g_making);
    }
    if (rc) {
        s3e_session_free(session);
        return rc;
    }
    *out = session;
    return S3E_OK;
}

void s3e_session_free(struct s3e_session *session)
{
    if (!session) {
        return;
    }
    if (session->runtime) {
        (void)xnn_delete_runtime(session->runtime);
    }
    s3e_free(session->block);
    s3e_free(session);
}

float *s3e_session_input(struct s3e_session *session)
{
    return session->input;
}

s3e_rc s3e_session_run(
    struct s3e_session *session, float *out, struct s3e_err *err)
{
    s3e_rc rc = s3e_xnn_check(
        (int)xnn_invoke_runtime(session->runtime), "the network", err);
    if (rc) {
        return rc;
    }
    const size_t num = session->result->shape.num;
    for (size_t i = 0; i < num; i++) {
        out[i] = session->output[s3e_value_offset(session->result, i)];
        if (!isfinite(out[i])) {
            return s3e_fail(err, S3E_E_INPUT,
                "the network gives %g as number %zu of %zu: its weights are "
                "damaged, or the recipe is not its own",
                (double)out[i], i, num);
        }
    }
    return S3E_OK;
}
