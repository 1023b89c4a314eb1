/* The functions of op.h by which operators add values and nodes to the graph
 * in the making. */
#include "nn/op.h"

#include "base/mem.h"
#include "nn/build.h"

#include <math.h>
#include <stdio.h>

/* Makes room for one more pointer in an array of pointers. */
static bool grow(void *array, size_t num, size_t *room)
{
    void **old;
    memcpy(&old, array, sizeof old);
    if (num < *room) {
        return true;
    }
    const size_t more = *room ? 2 * *room : 64;
    void **bigger = s3e_realloc_array(old, more, sizeof *bigger);
    if (!bigger) {
        return false;
    }
    memcpy(array, &bigger, sizeof bigger);
    *room = more;
    return true;
}

static s3e_rc make_value(struct s3e_build *build, struct s3e_value **out,
    const struct s3e_shape *shape, struct s3e_err *err)
{
    struct s3e_graph *graph = build->graph;
    struct s3e_value *value;
    if (!grow(&graph->values, graph->num_values, &build->room_values) ||
        !S3E_NEW(value)) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a tensor");
    }
    value->index = graph->num_values;
    value->shape = *shape;
    graph->values[graph->num_values++] = value;
    *out = value;
    return S3E_OK;
}

s3e_rc s3e_make_input(struct s3e_build *build, struct s3e_value **out,
    const struct s3e_shape *shape, size_t chan, struct s3e_err *err)
{
    const s3e_rc rc = make_value(build, out, shape, err);
    if (!rc) {
        (*out)->chan = chan;
    }
    return rc;
}

size_t s3e_type_size(enum s3e_type type)
{
    return type == S3E_F32 ? sizeof(float) : sizeof(int64_t);
}

s3e_rc s3e_take_elements(
    struct s3e_build *build, size_t num, struct s3e_err *err)
{
    if (num > build->elements_left) {
        return s3e_fail(
            err, S3E_E_LIMIT, "the model's constants unfold without end");
    }
    build->elements_left -= num;
    return S3E_OK;
}

s3e_rc s3e_make_data(struct s3e_build *build, void **out, enum s3e_type type,
    size_t num, struct s3e_err *err)
{
    const s3e_rc rc = s3e_take_elements(build, num, err);
    if (rc) {
        return rc;
    }
    struct s3e_build_block *block =
        s3e_alloc_array(sizeof *block + num * s3e_type_size(type), 1);
    if (!block) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a constant");
    }
    block->next = build->blocks;
    build->blocks = block;
    *out = block->bytes;
    return S3E_OK;
}

s3e_rc s3e_make_constant(struct s3e_build *build, struct s3e_value **out,
    enum s3e_type type, const struct s3e_shape *shape, const void *data,
    struct s3e_err *err)
{
    const s3e_rc rc = make_value(build, out, shape, err);
    if (!rc) {
        (*out)->type = type;
        (*out)->data = data;
    }
    return rc;
}

/* Keeps the sums of what one run costs within their caps. */
static s3e_rc charge(
    struct s3e_build *build, const struct s3e_shape *shape, struct s3e_err *err)
{
    if (shape->num > build->max_elements) {
        return s3e_fail(err, S3E_E_LIMIT,
            "its result is %s, and %zu elements are the most allowed",
            s3e_shape_print(shape).s, build->max_elements);
    }
    build->computed += shape->num;
    if (build->computed > S3E_GRAPH_ELEMENTS_MAX) {
        return s3e_fail(err, S3E_E_LIMIT,
            "up to here the model computes %llu numbers an image; %llu at most",
            (unsigned long long)build->computed,
            (unsigned long long)S3E_GRAPH_ELEMENTS_MAX);
    }
    return s3e_take_macs(build, shape->num, 1, err);
}

s3e_rc s3e_take_macs(
    struct s3e_build *build, size_t num, size_t each, struct s3e_err *err)
{
    build->graph->macs += (uint64_t)num * each;
    if (build->graph->macs > S3E_GRAPH_MACS_MAX) {
        return s3e_fail(err, S3E_E_LIMIT,
            "up to here the model takes %llu multiplications an image; %llu "
            "at most",
            (unsigned long long)build->graph->macs,
            (unsigned long long)S3E_GRAPH_MACS_MAX);
    }
    return S3E_OK;
}

static char *label_of(const struct s3e_onnx_node *node)
{
    char text[400];
    const char *name = *node->name         ? node->name
                       : node->num_outputs ? node->outputs[0]
                                           : "";
    const int n = snprintf(text, sizeof text, "%.60s '%.300s'", node->op, name);
    return n < 0 ? NULL : s3e_strdup(s3e_span_str(text));
}

s3e_rc s3e_make_node(struct s3e_call *call, struct s3e_node **out,
    enum s3e_kind kind, struct s3e_value *const in[2],
    const struct s3e_shape *shape, size_t chan, struct s3e_err *err)
{
    struct s3e_build *build = call->build;
    struct s3e_graph *graph = build->graph;
    struct s3e_node *node = NULL;
    s3e_rc rc = charge(build, shape, err);
    if (rc) {
        return rc;
    }
    if (!grow(&graph->nodes, graph->num_nodes, &build->room_nodes) ||
        !S3E_NEW(node)) {
        (void)s3e_fail(err, S3E_E_NOMEM, "no memory for a node");
        return S3E_E_NOMEM;
    }
    graph->nodes[graph->num_nodes++] = node;
    node->kind = kind;
    node->min = -INFINITY;
    node->max = INFINITY;
    node->name = label_of(call->node);
    if (!node->name) {
        (void)s3e_fail(err, S3E_E_NOMEM, "no memory for a node");
        return S3E_E_NOMEM;
    }
    rc = make_value(build, &node->out, shape, err);
    if (rc) {
        return rc;
    }
    node->out->chan = chan;
    node->out->maker = node;
    for (int i = 0; i < 2; i++) {
        node->in[i] = in[i];
        if (in[i]) {
            in[i]->uses++;
        }
    }
    *out = node;
    return S3E_OK;
}

s3e_rc s3e_make_floats(float **out, size_t num, struct s3e_err *err)
{
    *out = s3e_zalloc_array(num + S3E_PAD_BYTES / sizeof **out, sizeof **out);
    return *out ? S3E_OK
                : s3e_fail(err, S3E_E_NOMEM, "no memory for %zu weights", num);
}

s3e_rc s3e_view(struct s3e_call *call, struct s3e_value **out,
    struct s3e_value *x, const struct s3e_shape *shape, size_t chan,
    struct s3e_err *err)
{
    struct s3e_node *node = NULL;
    const s3e_rc rc = s3e_make_node(
        call, &node, S3E_RESHAPE, (struct s3e_value *[2]){x}, shape, chan, err);
    if (!rc) {
        *out = node->out;
    }
    return rc;
}

/* chan, or 0 where the elements are in row-major order all the same. */
static size_t order_of(const struct s3e_value *x)
{
    return x->chan == 1 || x->chan == x->shape.num ? 0 : x->chan;
}

s3e_rc s3e_relabel(struct s3e_call *call, struct s3e_value **out,
    struct s3e_value *x, const struct s3e_shape *shape, struct s3e_err *err)
{
    if (shape->num != x->shape.num) {
        return s3e_fail(err, S3E_E_FORMAT, "%s cannot become %s",
            s3e_shape_print(&x->shape).s, s3e_shape_print(shape).s);
    }
    if (s3e_shape_eq(shape, &x->shape)) {
        *out = x;
        return S3E_OK;
    }
    if (x->data) {
        return s3e_make_constant(
            call->build, out, x->type, shape, x->data, err);
    }
    return s3e_view(call, out, x, shape, order_of(x), err);
}

static s3e_rc bad_layout(const struct s3e_value *x, struct s3e_err *err)
{
    return s3e_fail(err, S3E_E_FORMAT,
        "the elements of its input, %s, would have to be put in another order, "
        "which is not supported",
        s3e_shape_print(&x->shape).s);
}

s3e_rc s3e_as_image(struct s3e_call *call, struct s3e_value **out,
    struct s3e_value *x, struct s3e_err *err)
{
    const size_t *dims = x->shape.dims;
    if (s3e_value_is_image(x)) {
        *out = x;
        return S3E_OK;
    }
    if (x->shape.rank != 4 || dims[0] != 1) {
        return s3e_fail(err, S3E_E_FORMAT,
            "its input is %s, not a picture, 1 x channels x height x width",
            s3e_shape_print(&x->shape).s);
    }
    if (order_of(x) || (dims[1] != 1 && dims[1] != x->shape.num)) {
        return bad_layout(x, err);
    }
    return s3e_view(call, out, x, &x->shape, dims[1], err);
}

s3e_rc s3e_as_plain(struct s3e_call *call, struct s3e_value **out,
    struct s3e_value *x, struct s3e_err *err)
{
    if (!x->chan) {
        *out = x;
        return S3E_OK;
    }
    return order_of(x) ? bad_layout(x, err)
                       : s3e_view(call, out, x, &x->shape, 0, err);
}

/* The axis stored last; false where several are. */
static bool last_axis(size_t *axis, const struct s3e_value *x)
{
    if (s3e_value_is_image(x)) {
        *axis = 1;
        return true;
    }
    if (x->shape.rank == 0) {
        return false;
    }
    *axis = x->shape.rank - 1;
    return !x->chan || x->shape.dims[*axis] == x->shape.num;
}

bool s3e_is_vector(const struct s3e_value *x, const struct s3e_shape *shape)
{
    struct s3e_shape all;
    size_t axis = 0;
    if (!s3e_shape_broadcast(&all, &x->shape, shape) ||
        !s3e_shape_eq(&all, &x->shape)) {
        return false;
    }
    if (shape->num == 1) {
        return true;
    }
    const size_t lead = x->shape.rank - shape->rank;
    return last_axis(&axis, x) && axis >= lead &&
           shape->dims[axis - lead] == shape->num;
}

s3e_rc s3e_build_affine(struct s3e_call *call, struct s3e_node **out,
    struct s3e_value *x, const struct s3e_factors *factors, struct s3e_err *err)
{
    struct s3e_shape stored;
    struct s3e_node *node = NULL;
    s3e_value_stored(&stored, x);
    const size_t num = stored.dims[stored.rank - 1];
    s3e_rc rc = s3e_take_elements(call->build, 2 * num, err);
    if (rc) {
        return rc;
    }
    rc = s3e_make_node(call, &node, S3E_AFFINE, (struct s3e_value *[2]){x},
        &x->shape, x->chan, err);
    if (rc) {
        return rc;
    }
    rc = s3e_make_floats(&node->weights, num, err);
    if (rc) {
        return rc;
    }
    rc = s3e_make_floats(&node->bias, num, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < num; i++) {
        const size_t to = s3e_value_is_image(x) ? i : s3e_value_offset(x, i);
        node->weights[to] = factors->scale[factors->num_scale == 1 ? 0 : i];
        node->bias[to] = factors->shift[factors->num_shift == 1 ? 0 : i];
    }
    *out = node;
    return S3E_OK;
}
