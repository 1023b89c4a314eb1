#include "nn/graph.h"

#include <math.h>

/* The node that feeds `node` alone, so that it may change for it; else NULL. */
static struct s3e_node *feeder(const struct s3e_node *node)
{
    const struct s3e_value *x = node->in[0];
    return x->maker && x->uses == 1 && !node->in[1] ? x->maker : NULL;
}

/* Scales the weights of each output and moves its bias. */
static void scale_weights(struct s3e_node *to, const struct s3e_node *affine)
{
    const size_t *in = to->in[0]->shape.dims;
    size_t rows = 1, len = 1; /* of each output */
    struct s3e_shape stored;
    s3e_value_stored(&stored, to->out);
    const size_t outputs = stored.dims[stored.rank - 1];
    switch (to->kind) {
    case S3E_CONV:
        len =
            to->window.kernel[0] * to->window.kernel[1] * (in[1] / to->groups);
        break;
    case S3E_DEPTHWISE:
        rows = to->window.kernel[0] * to->window.kernel[1];
        break;
    case S3E_DENSE:
        len = to->in[0]->shape.num;
        break;
    default:
        break;
    }
    float *w = to->weights;
    for (size_t r = 0; r < rows; r++) {
        for (size_t o = 0; o < outputs; o++) {
            for (size_t k = 0; k < len; k++) {
                *w++ *= affine->weights[o];
            }
        }
    }
    for (size_t o = 0; o < outputs; o++) {
        to->bias[o] = to->bias[o] * affine->weights[o] + affine->bias[o];
    }
}

static bool has_weights(const struct s3e_node *node)
{
    return node->kind == S3E_CONV || node->kind == S3E_DEPTHWISE ||
           node->kind == S3E_DENSE || node->kind == S3E_AFFINE;
}

static bool can_clamp(const struct s3e_node *node)
{
    switch (node->kind) {
    case S3E_MAX_POOL:
    case S3E_AVERAGE_POOL:
    case S3E_MEAN:
    case S3E_CLAMP:
    case S3E_ADD:
    case S3E_SUBTRACT:
    case S3E_MULTIPLY:
    case S3E_DIVIDE:
        return true;
    default:
        return has_weights(node);
    }
}

/* Gives the feeder the result of `node`, which is then needless. */
static void take_over(struct s3e_node *feed, struct s3e_node *node)
{
    node->in[0]->uses = 0;
    node->in[0]->maker = NULL;
    feed->out = node->out;
    feed->out->maker = feed;
}

static bool fuse_affine(struct s3e_node *feed, struct s3e_node *node)
{
    if (!has_weights(feed) || isfinite(feed->min) || isfinite(feed->max)) {
        return false;
    }
    scale_weights(feed, node);
    feed->min = node->min;
    feed->max = node->max;
    take_over(feed, node);
    return true;
}

static bool fuse_clamp(struct s3e_node *feed, struct s3e_node *node)
{
    const float min = fminf(fmaxf(feed->min, node->min), node->max);
    const float max = fminf(fmaxf(feed->max, node->min), node->max);
    if (!can_clamp(feed) || !(min < max)) {
        return false;
    }
    feed->min = min;
    feed->max = max;
    take_over(feed, node);
    return true;
}

/* Nodes whose result nobody reads, such as those of which only the shape was
 * asked: XNNPACK gives such a result no memory and aborts. */
static void drop_unread(struct s3e_graph *graph)
{
    size_t first = graph->num_nodes;
    for (size_t i = graph->num_nodes; i-- > 0;) {
        struct s3e_node *node = graph->nodes[i];
        if (node->out->uses > 0) {
            graph->nodes[--first] = node;
            continue;
        }
        for (size_t k = 0; k < 2 && node->in[k]; k++) {
            node->in[k]->uses--;
        }
        node->out->maker = NULL;
        s3e_node_free(node);
    }
    graph->num_nodes -= first;
    for (size_t i = 0; i < graph->num_nodes; i++) {
        graph->nodes[i] = graph->nodes[first + i];
    }
}

void s3e_graph_fuse(struct s3e_graph *graph)
{
    size_t num = 0;
    drop_unread(graph);
    for (size_t i = 0; i < graph->num_nodes; i++) {
        struct s3e_node *node = graph->nodes[i];
        struct s3e_node *feed = feeder(node);
        const bool gone =
            feed && ((node->kind == S3E_AFFINE && fuse_affine(feed, node)) ||
                        (node->kind == S3E_CLAMP && fuse_clamp(feed, node)));
        if (gone) {
            s3e_node_free(node);
        } else {
            graph->nodes[num++] = node;
        }
    }
    graph->num_nodes = num;
}
