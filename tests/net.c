#include "tests/net.h"

#include "nn/session.h"
#include "tests/harness.h"

#include <math.h>

static double *g_blocks[1000];
static size_t g_num_blocks;
static uint64_t g_random = 1;

static double *keep(size_t num)
{
    double *v = calloc(num, sizeof *v);
    CHECK(v && g_num_blocks < sizeof g_blocks / sizeof *g_blocks);
    g_blocks[g_num_blocks++] = v;
    return v;
}

void net_reset(void)
{
    while (g_num_blocks > 0) {
        free(g_blocks[--g_num_blocks]);
    }
}

size_t net_below(size_t below)
{
    g_random = g_random * 6364136223846793005U + 1442695040888963407U;
    return (size_t)(g_random >> 33) % below;
}

struct tensor net_zeros(const char *dims)
{
    size_t list[S3E_RANK_MAX] = {0}, rank = 0;
    struct tensor t;
    for (const char *at = dims; *at; rank++) {
        char *end;
        list[rank] = strtoul(at, &end, 10);
        at = end + (*end == ',');
    }
    CHECK(s3e_shape_set(&t.shape, list, rank));
    t.v = keep(t.shape.num);
    return t;
}

struct tensor net_random(const char *dims)
{
    struct tensor t = net_zeros(dims);
    for (size_t i = 0; i < t.shape.num; i++) {
        t.v[i] = (double)net_below(1 << 20) / (1 << 19) - 1.0;
    }
    return t;
}

void net_floats(struct onnx_build *b, const char *name, struct tensor t)
{
    float *data = calloc(t.shape.num, sizeof *data);
    struct s3e_buf dims = S3E_BUF(1000);
    CHECK(data != NULL);
    for (size_t i = 0; i < t.shape.num; i++) {
        data[i] = (float)t.v[i];
    }
    for (size_t i = 0; i < t.shape.rank; i++) {
        s3e_buf_printf(&dims, "%s%zu", i ? "," : "", t.shape.dims[i]);
    }
    s3e_buf_add_byte(&dims, 0);
    onnx_floats(b, name, (const char *)dims.ptr, data);
    s3e_buf_free(&dims);
    free(data);
}

/* Reads the last of `num` floats: AddressSanitizer knows whether it is one. */
static void touch(const float *v, size_t num)
{
    CHECK(v != NULL);
    const volatile float last = v[num - 1];
    (void)last;
}

static size_t channels(const struct s3e_value *value)
{
    return value->shape.dims[1];
}

/* Places for the window along height (axis 0) or width. */
static size_t places(const struct s3e_node *node, size_t axis)
{
    const struct s3e_window *w = &node->window;
    const size_t reach = w->dilation[axis] * (w->kernel[axis] - 1) + 1;
    const size_t padded =
        node->in[0]->shape.dims[axis + 2] + w->pad[axis] + w->pad[axis + 2];
    CHECK(padded >= reach);
    return (padded - reach) / w->stride[axis] + 1;
}

static void check_window(const struct s3e_node *node)
{
    const struct s3e_value *in = node->in[0], *out = node->out;
    const size_t taps = node->window.kernel[0] * node->window.kernel[1];
    CHECK(s3e_value_is_image(in) && s3e_value_is_image(out));
    CHECK(out->shape.dims[2] == places(node, 0));
    CHECK(out->shape.dims[3] == places(node, 1));
    if (node->kind == S3E_CONV) {
        CHECK(channels(in) % node->groups == 0);
        CHECK(channels(out) % node->groups == 0);
        touch(node->weights,
            channels(out) * taps * (channels(in) / node->groups));
        touch(node->bias, channels(out));
    } else if (node->kind == S3E_DEPTHWISE) {
        CHECK(channels(out) % channels(in) == 0);
        touch(node->weights, channels(out) * taps);
        touch(node->bias, channels(out));
    } else {
        CHECK(channels(in) == channels(out));
    }
}

static void check_pad(const struct s3e_node *node, const struct s3e_shape *in,
    const struct s3e_shape *out)
{
    const size_t *pad = node->window.pad;
    CHECK(in->rank == 4 && out->rank == 4);
    CHECK(in->dims[0] == out->dims[0] && in->dims[3] == out->dims[3]);
    CHECK(in->dims[1] + pad[0] + pad[2] == out->dims[1]);
    CHECK(in->dims[2] + pad[1] + pad[3] == out->dims[2]);
}

static void check_binary(const struct s3e_node *node,
    const struct s3e_shape *in, const struct s3e_shape *out)
{
    struct s3e_shape other = *out, both;
    if (node->in[1]) {
        s3e_value_stored(&other, node->in[1]);
    } else {
        touch(node->weights, out->num);
    }
    CHECK(s3e_shape_broadcast(&both, in, &other));
    CHECK(s3e_shape_eq(&both, out));
}

static void check_node(const struct s3e_node *node)
{
    struct s3e_shape in, out;
    s3e_value_stored(&in, node->in[0]);
    s3e_value_stored(&out, node->out);
    CHECK(node->min < node->max);
    switch (node->kind) {
    case S3E_CONV:
    case S3E_DEPTHWISE:
    case S3E_MAX_POOL:
    case S3E_AVERAGE_POOL:
        check_window(node);
        break;
    case S3E_DENSE:
        CHECK(in.rank == 2 && in.dims[0] == 1);
        CHECK(out.rank == 2 && out.dims[0] == 1);
        touch(node->weights, in.num * out.num);
        touch(node->bias, out.num);
        break;
    case S3E_MEAN:
        CHECK(in.rank == 4 && out.rank == 4 && in.dims[0] == 1);
        CHECK(out.num == out.dims[3] && out.num == in.dims[3]);
        break;
    case S3E_PAD:
        check_pad(node, &in, &out);
        break;
    case S3E_RESHAPE:
        CHECK(in.num == out.num);
        break;
    case S3E_ADD:
    case S3E_SUBTRACT:
    case S3E_MULTIPLY:
    case S3E_DIVIDE:
    case S3E_MAXIMUM:
    case S3E_MINIMUM:
        check_binary(node, &in, &out);
        break;
    case S3E_AFFINE:
        touch(node->weights, out.dims[out.rank - 1]);
        touch(node->bias, out.dims[out.rank - 1]);
        CHECK(s3e_shape_eq(&in, &out));
        break;
    default:
        CHECK(s3e_shape_eq(&in, &out));
        break;
    }
}

void net_check(const struct s3e_graph *graph)
{
    for (size_t i = 0; i < graph->num_nodes; i++) {
        check_node(graph->nodes[i]);
    }
}

static s3e_rc load(struct s3e_graph **graph, struct s3e_session **session,
    struct s3e_span file, const size_t size[2], struct s3e_err *err)
{
    struct s3e_onnx onnx;
    *graph = NULL;
    *session = NULL;
    s3e_rc rc = s3e_onnx_read(&onnx, file, err);
    if (rc) {
        return rc;
    }
    const struct s3e_graph_options options = {
        .height = size[0], .width = size[1]};
    rc = s3e_graph_new(graph, &onnx, &options, err);
    s3e_onnx_deinit(&onnx);
    if (rc) {
        return rc;
    }
    net_check(*graph);
    return s3e_session_new(session, *graph, err);
}

struct tensor net_run(struct s3e_span file, struct tensor x)
{
    struct s3e_err err;
    struct s3e_graph *graph;
    struct s3e_session *session;
    struct tensor y;
    const size_t height = x.shape.dims[2], width = x.shape.dims[3];
    CHECK_RC(
        load(&graph, &session, file, x.shape.dims + 2, &err), S3E_OK, &err);
    float *in = s3e_session_input(session);
    for (size_t i = 0; i < height * width; i++) {
        for (size_t c = 0; c < 3; c++) {
            *in++ = (float)x.v[c * height * width + i];
        }
    }
    const size_t num = graph->output->shape.num;
    CHECK(s3e_shape_set(&y.shape, &num, 1));
    y.v = keep(num);
    float *out = calloc(num, sizeof *out);
    CHECK(out != NULL);
    CHECK_RC(s3e_session_run(session, out, &err), S3E_OK, &err);
    for (size_t i = 0; i < num; i++) {
        y.v[i] = (double)out[i];
    }
    free(out);
    s3e_session_free(session);
    s3e_graph_free(graph);
    return y;
}

void net_same(struct tensor got, struct tensor want, double tolerance)
{
    double most = 1e-30;
    if (got.shape.num != want.shape.num) {
        (void)fprintf(
            stderr, "%zu numbers, not %zu\n", got.shape.num, want.shape.num);
        check_failed(__FILE__, __LINE__, "lengths differ");
    }
    for (size_t i = 0; i < want.shape.num; i++) {
        most = fmax(most, fabs(want.v[i]));
    }
    for (size_t i = 0; i < want.shape.num; i++) {
        if (!(fabs(got.v[i] - want.v[i]) <= tolerance * most)) {
            (void)fprintf(stderr, "number %zu of %zu: %.9g, not %.9g\n", i,
                want.shape.num, got.v[i], want.v[i]);
            check_failed(__FILE__, __LINE__, "numbers differ");
        }
    }
}

const char *net_error(struct onnx_build *b)
{
    static struct s3e_err err;
    struct s3e_graph *graph;
    struct s3e_session *session;
    const size_t size[2] = {8, 8};
    const s3e_rc rc = load(&graph, &session, onnx_file(b), size, &err);
    s3e_session_free(session);
    s3e_graph_free(graph);
    return rc ? err.msg : "";
}

size_t net_nodes(struct onnx_build *b)
{
    struct s3e_err err;
    struct s3e_graph *graph;
    struct s3e_session *session;
    const size_t size[2] = {8, 8};
    CHECK_RC(load(&graph, &session, onnx_file(b), size, &err), S3E_OK, &err);
    const size_t num = graph->num_nodes;
    s3e_session_free(session);
    s3e_graph_free(graph);
    return num;
}
