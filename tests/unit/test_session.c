#include "nn/session.h"

#include "base/sync.h"
#include "nn/xnn.h"
#include "tests/harness.h"
#include "tests/net.h"

#include <math.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static struct s3e_err g_err;

/* Of pictures of 9x7. Frees `b`. */
static struct s3e_graph *graph_of(struct onnx_build *b)
{
    const struct s3e_graph_options options = {.height = 9, .width = 7};
    struct s3e_graph *graph;
    struct s3e_onnx onnx;
    CHECK_RC(s3e_onnx_read(&onnx, onnx_file(b), &g_err), S3E_OK, &g_err);
    CHECK_RC(s3e_graph_new(&graph, &onnx, &options, &g_err), S3E_OK, &g_err);
    s3e_onnx_deinit(&onnx);
    onnx_free(b);
    net_reset();
    return graph;
}

/* x -> Conv -> Relu -> mean -> Gemm, [5]. */
static struct s3e_graph *small_graph(void)
{
    struct onnx_build b = onnx_new(13);
    onnx_input(&b, "x", "N,3,H,W");
    net_floats(&b, "w", net_random("6,3,3,3"));
    net_floats(&b, "g", net_random("6,5"));
    onnx_node(&b, "Conv", "x w", "a", "strides:I=2,2");
    onnx_node(&b, "Relu", "a", "b", "");
    onnx_node(&b, "GlobalAveragePool", "b", "c", "");
    onnx_node(&b, "Flatten", "c", "d", "");
    onnx_node(&b, "Gemm", "d g", "y", "");
    onnx_output(&b, "y");
    return graph_of(&b);
}

static void fill(struct s3e_session *session, size_t seed)
{
    float *in = s3e_session_input(session);
    CHECK((uintptr_t)in % 64 == 0);
    for (size_t i = 0; i < (size_t)9 * 7 * 3; i++) {
        in[i] = (float)((i * 7 + seed * 13) % 11) / 11.0F;
    }
}

static void runs_repeat(const struct s3e_graph *graph)
{
    struct s3e_session *a, *b;
    float first[5], second[5], other[5];
    CHECK_RC(s3e_session_new(&a, graph, &g_err), S3E_OK, &g_err);
    CHECK_RC(s3e_session_new(&b, graph, &g_err), S3E_OK, &g_err);
    fill(a, 1);
    CHECK_RC(s3e_session_run(a, first, &g_err), S3E_OK, &g_err);
    fill(b, 2);
    CHECK_RC(s3e_session_run(b, other, &g_err), S3E_OK, &g_err);
    CHECK(memcmp(first, other, sizeof first) != 0);
    CHECK_RC(s3e_session_run(a, second, &g_err), S3E_OK, &g_err);
    CHECK(memcmp(first, second, sizeof first) == 0); /* its input is kept */
    fill(b, 1);
    CHECK_RC(s3e_session_run(b, other, &g_err), S3E_OK, &g_err);
    CHECK(memcmp(first, other, sizeof first) == 0);
    s3e_session_free(a);
    s3e_session_free(b);
    s3e_session_free(NULL);
}

static void what_is_not_finite_is_an_error(void)
{
    struct onnx_build b = onnx_new(13);
    struct s3e_session *session;
    float out[3];
    onnx_input(&b, "x", "N,3,H,W");
    onnx_node(&b, "GlobalAveragePool", "x", "y", "");
    onnx_output(&b, "y");
    struct s3e_graph *graph = graph_of(&b);
    CHECK_RC(s3e_session_new(&session, graph, &g_err), S3E_OK, &g_err);
    fill(session, 1);
    CHECK_RC(s3e_session_run(session, out, &g_err), S3E_OK, &g_err);
    s3e_session_input(session)[4] = INFINITY;
    CHECK_RC(s3e_session_run(session, out, &g_err), S3E_E_INPUT, &g_err);
    CHECK_STR(g_err.msg,
        "the network gives inf as number 1 of 3: its weights are damaged, or "
        "the recipe is not its own");
    s3e_session_free(session);
    s3e_graph_free(graph);
}

/* A weight that is NaN is not taken for the 1 or 0 that changes nothing. */
static void damaged_weights_are_an_error(void)
{
    for (int product = 0; product < 2; product++) {
        struct onnx_build b = onnx_new(13);
        struct tensor w = net_zeros("1,3,1,1");
        struct s3e_session *session;
        float out[3];
        for (int i = 0; i < 3; i++) {
            w.v[i] = (double)NAN;
        }
        onnx_input(&b, "x", "N,3,H,W");
        net_floats(&b, "w", w);
        onnx_node(&b, "GlobalAveragePool", "x", "m", "");
        onnx_node(&b, product ? "Mul" : "Add", "m w", "y", "");
        onnx_output(&b, "y");
        struct s3e_graph *graph = graph_of(&b);
        CHECK_RC(s3e_session_new(&session, graph, &g_err), S3E_OK, &g_err);
        fill(session, 1);
        CHECK_RC(s3e_session_run(session, out, &g_err), S3E_E_INPUT, &g_err);
        s3e_session_free(session);
        s3e_graph_free(graph);
    }
}

struct crowd {
    const struct s3e_graph *graph;
    float want[5];
    struct s3e_err err;
};

static void make_and_run(void *arg)
{
    struct crowd *crowd = arg;
    for (int i = 0; i < 20; i++) {
        struct s3e_session *session;
        struct s3e_err err;
        float out[5];
        CHECK_RC(s3e_session_new(&session, crowd->graph, &err), S3E_OK, &err);
        for (int k = 0; k < 20; k++) {
            fill(session, 3);
            CHECK_RC(s3e_session_run(session, out, &err), S3E_OK, &err);
            CHECK(memcmp(out, crowd->want, sizeof out) == 0);
        }
        s3e_session_free(session);
    }
}

static void many_threads_share_a_graph(const struct s3e_graph *graph)
{
    struct crowd crowd = {.graph = graph};
    struct s3e_thread threads[4];
    struct s3e_session *session;
    CHECK_RC(s3e_session_new(&session, graph, &g_err), S3E_OK, &g_err);
    fill(session, 3);
    CHECK_RC(s3e_session_run(session, crowd.want, &g_err), S3E_OK, &g_err);
    s3e_session_free(session);
    for (int i = 0; i < 4; i++) {
        CHECK_RC(s3e_thread_start(
                     &threads[i], "session", make_and_run, &crowd, &g_err),
            S3E_OK, &g_err);
    }
    for (int i = 0; i < 4; i++) {
        s3e_thread_join(&threads[i]);
    }
}

static atomic_bool g_enough;

static void make_until_enough(void *arg)
{
    while (!atomic_load(&g_enough)) {
        struct s3e_session *session;
        struct s3e_err err;
        CHECK_RC(s3e_session_new(&session, arg, &err), S3E_OK, &err);
        s3e_session_free(session);
    }
}

/* Whatever the other thread is at, the child can make its own. */
static void children_make_sessions_too(struct s3e_graph *graph)
{
    struct s3e_thread thread;
    CHECK_RC(
        s3e_thread_start(&thread, "maker", make_until_enough, graph, &g_err),
        S3E_OK, &g_err);
    for (int i = 0; i < 50; i++) {
        struct s3e_session *session;
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(20);
            _exit(s3e_session_new(&session, graph, &g_err) != S3E_OK);
        }
        int status = 1;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
    atomic_store(&g_enough, true);
    s3e_thread_join(&thread);
}

static s3e_rc make(void *ctx)
{
    struct s3e_session *session;
    const s3e_rc rc = s3e_session_new(&session, ctx, &g_err);
    s3e_session_free(session);
    return rc;
}

static void xnnpack_says_what_it_is(void)
{
    char text[300];
    s3e_xnn_describe(text, sizeof text);
    CHECK(strstr(text, "XNNPACK") == text);
    CHECK(strstr(text, "snapshot of 202") != NULL);
    /* A status of XNNPACK: 0 success, 2 invalid parameter, 6 no memory. */
    CHECK(s3e_xnn_check(0, "a node", &g_err) == S3E_OK);
    CHECK(s3e_xnn_check(6, "a node", &g_err) == S3E_E_NOMEM);
    CHECK(s3e_xnn_check(2, "a node", &g_err) == S3E_E_INPUT);
    CHECK_STR(g_err.msg, "a node: XNNPACK refuses it (status 2)");
}

int main(void)
{
    count_allocations();
    struct s3e_graph *graph = small_graph();
    runs_repeat(graph);
    what_is_not_finite_is_an_error();
    damaged_weights_are_an_error();
    many_threads_share_a_graph(graph);
    children_make_sessions_too(graph);
    xnnpack_says_what_it_is();
    sweep_allocations(make, graph);
    s3e_graph_free(graph);
    CHECK(live_allocations() == 0);
    return 0;
}
