#include "nn/lower.h"

#include "base/mem.h"
#include "nn/xnn.h"

#include <assert.h>
#include <math.h>
#include <xnnpack.h>

/* Newer snapshots mark as deprecated what this one calls. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

struct lowering {
    xnn_subgraph_t subgraph;
    uint32_t *ids; /* of graph->values */
    const struct s3e_graph *graph;
};

typedef enum xnn_status (*lower_fn)(
    struct lowering *l, const struct s3e_node *node);

static uint32_t input(const struct lowering *l, const struct s3e_node *node)
{
    return l->ids[node->in[0]->index];
}

static uint32_t output(const struct lowering *l, const struct s3e_node *node)
{
    return l->ids[node->out->index];
}

static enum xnn_status define(struct lowering *l, uint32_t *id,
    const struct s3e_shape *stored, const void *data)
{
    return xnn_define_tensor_value(l->subgraph, xnn_datatype_fp32, stored->rank,
        stored->dims, data, XNN_INVALID_VALUE_ID, 0, id);
}

/* A value for what `value` holds; the graph's two ends are external. */
static enum xnn_status define_value(
    struct lowering *l, const struct s3e_value *value)
{
    struct s3e_shape stored;
    uint32_t *id = &l->ids[value->index];
    s3e_value_stored(&stored, value);
    if (value == l->graph->input) {
        return xnn_define_tensor_value(l->subgraph, xnn_datatype_fp32,
            stored.rank, stored.dims, NULL, S3E_LOWER_INPUT,
            XNN_VALUE_FLAG_EXTERNAL_INPUT, id);
    }
    if (value == l->graph->output) {
        return xnn_define_tensor_value(l->subgraph, xnn_datatype_fp32,
            stored.rank, stored.dims, NULL, S3E_LOWER_OUTPUT,
            XNN_VALUE_FLAG_EXTERNAL_OUTPUT, id);
    }
    return define(l, id, &stored, NULL);
}

static enum xnn_status define_weights(struct lowering *l, uint32_t *id,
    const float *data, const size_t *dims, size_t rank)
{
    struct s3e_shape shape;
    const bool ok = s3e_shape_set(&shape, dims, rank);
    assert(ok);
    return ok ? define(l, id, &shape, data) : xnn_status_invalid_parameter;
}

static enum xnn_status lower_conv(
    struct lowering *l, const struct s3e_node *node)
{
    const struct s3e_window *w = &node->window;
    const size_t channels = node->in[0]->shape.dims[1];
    const size_t num_out = node->out->shape.dims[1];
    const size_t each = channels / node->groups;
    const size_t filter_dims[] = {num_out, w->kernel[0], w->kernel[1], each};
    uint32_t filter, bias;
    enum xnn_status status =
        define_weights(l, &filter, node->weights, filter_dims, 4);
    if (!status) {
        status = define_weights(l, &bias, node->bias, &num_out, 1);
    }
    return status ? status
                  : xnn_define_convolution_2d(l->subgraph, (uint32_t)w->pad[0],
                        (uint32_t)w->pad[3], (uint32_t)w->pad[2],
                        (uint32_t)w->pad[1], (uint32_t)w->kernel[0],
                        (uint32_t)w->kernel[1], (uint32_t)w->stride[0],
                        (uint32_t)w->stride[1], (uint32_t)w->dilation[0],
                        (uint32_t)w->dilation[1], (uint32_t)node->groups, each,
                        num_out / node->groups, node->min, node->max,
                        input(l, node), filter, bias, output(l, node), 0);
}

static enum xnn_status lower_depthwise(
    struct lowering *l, const struct s3e_node *node)
{
    const struct s3e_window *w = &node->window;
    const size_t channels = node->in[0]->shape.dims[1];
    const size_t num_out = node->out->shape.dims[1];
    const size_t filter_dims[] = {1, w->kernel[0], w->kernel[1], num_out};
    uint32_t filter, bias;
    enum xnn_status status =
        define_weights(l, &filter, node->weights, filter_dims, 4);
    if (!status) {
        status = define_weights(l, &bias, node->bias, &num_out, 1);
    }
    return status ? status
                  : xnn_define_depthwise_convolution_2d(l->subgraph,
                        (uint32_t)w->pad[0], (uint32_t)w->pad[3],
                        (uint32_t)w->pad[2], (uint32_t)w->pad[1],
                        (uint32_t)w->kernel[0], (uint32_t)w->kernel[1],
                        (uint32_t)w->stride[0], (uint32_t)w->stride[1],
                        (uint32_t)w->dilation[0], (uint32_t)w->dilation[1],
                        (uint32_t)(num_out / channels), channels, node->min,
                        node->max, input(l, node), filter, bias,
                        output(l, node), 0);
}

static enum xnn_status lower_dense(
    struct lowering *l, const struct s3e_node *node)
{
    const size_t dims[] = {node->out->shape.num, node->in[0]->shape.num};
    uint32_t filter, bias;
    enum xnn_status status = define_weights(l, &filter, node->weights, dims, 2);
    if (!status) {
        status = define_weights(l, &bias, node->bias, dims, 1);
    }
    return status
               ? status
               : xnn_define_fully_connected(l->subgraph, node->min, node->max,
                     input(l, node), filter, bias, output(l, node), 0);
}

/* False where one is NaN. */
static bool all_equal(const float *v, size_t num, float to)
{
    size_t i = 0;
    while (i < num && v[i] >= to && v[i] <= to) {
        i++;
    }
    return i == num;
}

/* A product and a sum, of which one may be left out. */
static enum xnn_status lower_affine(
    struct lowering *l, const struct s3e_node *node)
{
    struct s3e_shape stored;
    s3e_value_stored(&stored, node->out);
    const size_t num = stored.dims[stored.rank - 1];
    const bool adds = !all_equal(node->bias, num, 0.0F);
    const bool scales = !adds || !all_equal(node->weights, num, 1.0F);
    uint32_t scale, shift, product = input(l, node);
    enum xnn_status status = xnn_status_success;
    if (scales && adds) {
        status = define(l, &product, &stored, NULL);
    } else if (scales) {
        product = output(l, node);
    }
    if (!status && scales) {
        status = define_weights(l, &scale, node->weights, &num, 1);
    }
    if (!status && scales) {
        status = xnn_define_multiply2(l->subgraph, adds ? -INFINITY : node->min,
            adds ? INFINITY : node->max, input(l, node), scale, product, 0);
    }
    if (!status && adds) {
        status = define_weights(l, &shift, node->bias, &num, 1);
    }
    if (!status && adds) {
        status = xnn_define_add2(l->subgraph, node->min, node->max, product,
            shift, output(l, node), 0);
    }
    return status;
}

static enum xnn_status lower_clamp(
    struct lowering *l, const struct s3e_node *node)
{
    return xnn_define_clamp(
        l->subgraph, node->min, node->max, input(l, node), output(l, node), 0);
}

static enum xnn_status lower_max_pool(
    struct lowering *l, const struct s3e_node *node)
{
    const struct s3e_window *w = &node->window;
    return xnn_define_max_pooling_2d(l->subgraph, (uint32_t)w->pad[0],
        (uint32_t)w->pad[3], (uint32_t)w->pad[2], (uint32_t)w->pad[1],
        (uint32_t)w->kernel[0], (uint32_t)w->kernel[1], (uint32_t)w->stride[0],
        (uint32_t)w->stride[1], (uint32_t)w->dilation[0],
        (uint32_t)w->dilation[1], node->min, node->max, input(l, node),
        output(l, node), 0);
}

static enum xnn_status lower_average_pool(
    struct lowering *l, const struct s3e_node *node)
{
    const struct s3e_window *w = &node->window;
    return xnn_define_average_pooling_2d(l->subgraph, (uint32_t)w->pad[0],
        (uint32_t)w->pad[3], (uint32_t)w->pad[2], (uint32_t)w->pad[1],
        (uint32_t)w->kernel[0], (uint32_t)w->kernel[1], (uint32_t)w->stride[0],
        (uint32_t)w->stride[1], node->min, node->max, input(l, node),
        output(l, node), 0);
}

/* Newer snapshots drop height and width from the result: the reshape puts them
 * back, and changes nothing where they are there. */
static enum xnn_status lower_mean(
    struct lowering *l, const struct s3e_node *node)
{
    struct s3e_shape stored;
    uint32_t mean;
    s3e_value_stored(&stored, node->out);
    enum xnn_status status = define(l, &mean, &stored, NULL);
    if (!status) {
        status = xnn_define_global_average_pooling_2d(
            l->subgraph, node->min, node->max, input(l, node), mean, 0);
    }
    return status ? status
                  : xnn_define_static_reshape(l->subgraph, stored.rank,
                        stored.dims, mean, output(l, node), 0);
}

static enum xnn_status lower_pad(
    struct lowering *l, const struct s3e_node *node)
{
    const size_t *pad = node->window.pad;
    const size_t before[] = {0, pad[0], pad[1], 0};
    const size_t after[] = {0, pad[2], pad[3], 0};
    return xnn_define_static_constant_pad(l->subgraph, before, after,
        node->alpha, input(l, node), output(l, node), 0);
}

/* True where the two differ to us, but not in memory. */
static bool same_stored(const struct lowering *l, const struct s3e_node *node)
{
    struct s3e_shape from, to;
    s3e_value_stored(&from, node->in[0]);
    s3e_value_stored(&to, node->out);
    return node->kind == S3E_RESHAPE && node->out != l->graph->output &&
           s3e_shape_eq(&from, &to);
}

static enum xnn_status lower_reshape(
    struct lowering *l, const struct s3e_node *node)
{
    struct s3e_shape to;
    s3e_value_stored(&to, node->out);
    return xnn_define_static_reshape(
        l->subgraph, to.rank, to.dims, input(l, node), output(l, node), 0);
}

static enum xnn_status lower_binary(
    struct lowering *l, const struct s3e_node *node)
{
    uint32_t a = input(l, node), b;
    if (node->weights) {
        struct s3e_shape stored;
        s3e_value_stored(&stored, node->out);
        const enum xnn_status status = define(l, &b, &stored, node->weights);
        if (status) {
            return status;
        }
    } else {
        b = l->ids[node->in[1]->index];
    }
    if (node->constant_first) {
        const uint32_t swapped = a;
        a = b;
        b = swapped;
    }
    const uint32_t out = output(l, node);
    switch (node->kind) {
    case S3E_ADD:
        return xnn_define_add2(l->subgraph, node->min, node->max, a, b, out, 0);
    case S3E_SUBTRACT:
        return xnn_define_subtract(
            l->subgraph, node->min, node->max, a, b, out, 0);
    case S3E_MULTIPLY:
        return xnn_define_multiply2(
            l->subgraph, node->min, node->max, a, b, out, 0);
    case S3E_DIVIDE:
        return xnn_define_divide(
            l->subgraph, node->min, node->max, a, b, out, 0);
    case S3E_MAXIMUM:
        return xnn_define_maximum2(l->subgraph, a, b, out, 0);
    default:
        return xnn_define_minimum2(l->subgraph, a, b, out, 0);
    }
}

static enum xnn_status lower_unary(
    struct lowering *l, const struct s3e_node *node)
{
    const uint32_t in = input(l, node), out = output(l, node);
    switch (node->kind) {
    case S3E_ABS:
        return xnn_define_abs(l->subgraph, in, out, 0);
    case S3E_CEILING:
        return xnn_define_ceiling(l->subgraph, in, out, 0);
    case S3E_ELU:
        return xnn_define_elu(l->subgraph, node->alpha, in, out, 0);
    case S3E_FLOOR:
        return xnn_define_floor(l->subgraph, in, out, 0);
    case S3E_HARDSWISH:
        return xnn_define_hardswish(l->subgraph, in, out, 0);
    case S3E_LEAKY_RELU:
        return xnn_define_leaky_relu(l->subgraph, node->alpha, in, out, 0);
    case S3E_SIGMOID:
        return xnn_define_sigmoid(l->subgraph, in, out, 0);
    case S3E_SOFTMAX:
        return xnn_define_softmax(l->subgraph, in, out, 0);
    default:
        return xnn_define_square_root(l->subgraph, in, out, 0);
    }
}

static const lower_fn g_lower[S3E_NUM_KINDS] = {
    [S3E_CONV] = lower_conv,
    [S3E_DEPTHWISE] = lower_depthwise,
    [S3E_DENSE] = lower_dense,
    [S3E_AFFINE] = lower_affine,
    [S3E_CLAMP] = lower_clamp,
    [S3E_MAX_POOL] = lower_max_pool,
    [S3E_AVERAGE_POOL] = lower_average_pool,
    [S3E_MEAN] = lower_mean,
    [S3E_PAD] = lower_pad,
    [S3E_RESHAPE] = lower_reshape,
    [S3E_SOFTMAX] = lower_unary,
    [S3E_ADD] = lower_binary,
    [S3E_SUBTRACT] = lower_binary,
    [S3E_MULTIPLY] = lower_binary,
    [S3E_DIVIDE] = lower_binary,
    [S3E_MAXIMUM] = lower_binary,
    [S3E_MINIMUM] = lower_binary,
    [S3E_ABS] = lower_unary,
    [S3E_CEILING] = lower_unary,
    [S3E_ELU] = lower_unary,
    [S3E_FLOOR] = lower_unary,
    [S3E_HARDSWISH] = lower_unary,
    [S3E_LEAKY_RELU] = lower_unary,
    [S3E_SIGMOID] = lower_unary,
    [S3E_SQUARE_ROOT] = lower_unary,
};

static s3e_rc lower_all(struct lowering *l, struct s3e_err *err)
{
    const struct s3e_graph *graph = l->graph;
    s3e_rc rc =
        s3e_xnn_check((int)define_value(l, graph->input), "the input", err);
    for (size_t i = 0; !rc && i < graph->num_nodes; i++) {
        const struct s3e_node *node = graph->nodes[i];
        if (same_stored(l, node)) {
            l->ids[node->out->index] = input(l, node);
            continue;
        }
        rc = s3e_xnn_check((int)define_value(l, node->out), node->name, err);
        if (!rc) {
            rc = s3e_xnn_check(
                (int)g_lower[node->kind](l, node), node->name, err);
        }
    }
    return rc;
}

s3e_rc s3e_lower(struct xnn_subgraph **out, const struct s3e_graph *graph,
    struct s3e_err *err)
{
    struct lowering l = {.graph = graph};
    *out = NULL;
    l.ids = s3e_alloc_array(graph->num_values, sizeof *l.ids);
    if (!l.ids) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a network");
    }
    s3e_rc rc = s3e_xnn_check(
        (int)xnn_create_subgraph(S3E_LOWER_EXTERNALS, 0, &l.subgraph),
        "a network", err);
    if (!rc) {
        rc = lower_all(&l, err);
    }
    if (rc && l.subgraph) {
        (void)xnn_delete_subgraph(l.subgraph);
        l.subgraph = NULL;
    }
    *out = l.subgraph;
    s3e_free(l.ids);
    return rc;
}
