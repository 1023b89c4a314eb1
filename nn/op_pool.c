/* Pools, means over the picture, and padding. */
#include "nn/op.h"

#include <math.h>

/* A window of one element with a stride picks elements: a depthwise
 * convolution with weights of 1. */
static s3e_rc pick(struct s3e_call *call, struct s3e_value *x,
    const struct s3e_window *window, const struct s3e_shape *shape,
    struct s3e_err *err)
{
    const size_t channels = shape->dims[1];
    struct s3e_node *node = NULL;
    s3e_rc rc = s3e_make_node(call, &node, S3E_DEPTHWISE,
        (struct s3e_value *[2]){x}, shape, channels, err);
    if (!rc) {
        rc = s3e_make_floats(&node->weights, channels, err);
    }
    if (!rc) {
        rc = s3e_make_floats(&node->bias, channels, err);
    }
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < channels; i++) {
        node->weights[i] = 1.0F;
    }
    node->window = *window;
    node->groups = channels;
    call->out = node->out;
    return S3E_OK;
}

/* Adds a node that pads the picture `x` by `pad` with `value`. */
static s3e_rc add_pad(struct s3e_call *call, struct s3e_value **out,
    struct s3e_value *x, const size_t pad[4], float value, struct s3e_err *err)
{
    const bool image = s3e_value_is_image(x);
    const size_t y = image ? 2 : 1;
    size_t dims[4];
    memcpy(dims, x->shape.dims, sizeof dims);
    dims[y] += pad[0] + pad[2];
    dims[y + 1] += pad[1] + pad[3];
    struct s3e_shape shape;
    struct s3e_node *node = NULL;
    if (!s3e_shape_set(&shape, dims, 4)) {
        return s3e_fail(err, S3E_E_LIMIT, "its padded input is too large");
    }
    const s3e_rc rc = s3e_make_node(call, &node, S3E_PAD,
        (struct s3e_value *[2]){x}, &shape, image ? dims[1] : 0, err);
    if (rc) {
        return rc;
    }
    memcpy(node->window.pad, pad, sizeof node->window.pad);
    node->alpha = value;
    *out = node->out;
    return S3E_OK;
}

static bool any_pad(const size_t pad[4])
{
    return pad[0] || pad[1] || pad[2] || pad[3];
}

/* AveragePool with count_include_pad averages zeros in: they are put there. */
static s3e_rc pad_to_count(struct s3e_call *call, struct s3e_value **x,
    struct s3e_window *window, struct s3e_err *err)
{
    size_t pad[4];
    memcpy(pad, window->pad, sizeof pad);
    memset(window->pad, 0, sizeof window->pad);
    return any_pad(pad) ? add_pad(call, x, *x, pad, 0.0F, err) : S3E_OK;
}

static s3e_rc check_pool(const struct s3e_call *call,
    const struct s3e_window *w, struct s3e_err *err)
{
    const bool average = call->op->arg == S3E_AVERAGE_POOL;
    for (size_t i = 0; i < 4; i++) {
        const size_t reach = w->dilation[i % 2] * (w->kernel[i % 2] - 1) + 1;
        if (w->pad[i] >= reach) {
            return s3e_fail(err, S3E_E_FORMAT,
                "its pads of %zu are as large as its window", w->pad[i]);
        }
    }
    if (average && (w->dilation[0] != 1 || w->dilation[1] != 1)) {
        return s3e_fail(err, S3E_E_FORMAT, "its dilations are not supported");
    }
    if (s3e_attr_int(call, "storage_order", 0) != 0) {
        return s3e_fail(err, S3E_E_FORMAT, "its storage_order is not 0");
    }
    return S3E_OK;
}

static s3e_rc read_pool(const struct s3e_call *call, const struct s3e_value *x,
    struct s3e_window *window, size_t out[2], struct s3e_err *err)
{
    const struct s3e_onnx_attr *kernel = s3e_attr(call, "kernel_shape");
    const bool ceil = s3e_attr_int(call, "ceil_mode", 0) != 0;
    const bool count = s3e_attr_int(call, "count_include_pad", 0) != 0;
    if (!kernel || kernel->num != 2 || kernel->ints[0] < 1 ||
        kernel->ints[1] < 1) {
        return s3e_fail(err, S3E_E_FORMAT,
            "its kernel_shape is not two numbers of 1 or more");
    }
    window->kernel[0] = (size_t)kernel->ints[0];
    window->kernel[1] = (size_t)kernel->ints[1];
    const size_t *in = x->shape.dims + 2;
    s3e_rc rc = s3e_read_window(call, window, out, in, false, err);
    if (rc || !ceil) {
        return rc ? rc : check_pool(call, window, err);
    }
    struct s3e_window wider = *window;
    size_t more[2];
    rc = s3e_read_window(call, &wider, more, in, true, err);
    if (!rc && count && (more[0] != out[0] || more[1] != out[1])) {
        rc = s3e_fail(err, S3E_E_FORMAT,
            "its ceil_mode with count_include_pad is not supported here");
    }
    if (rc) {
        return rc;
    }
    memcpy(out, more, sizeof more);
    *window = wider;
    return check_pool(call, window, err);
}

s3e_rc s3e_op_pool(struct s3e_call *call, struct s3e_err *err)
{
    struct s3e_value *x = call->in[0];
    struct s3e_window window = {.stride = {1, 1}};
    struct s3e_shape shape;
    struct s3e_node *node = NULL;
    size_t out[2];
    s3e_rc rc = s3e_need_computed(call, 0, err);
    if (!rc) {
        rc = s3e_as_image(call, &x, x, err);
    }
    if (!rc) {
        rc = read_pool(call, x, &window, out, err);
    }
    if (rc) {
        return rc;
    }
    const size_t dims[] = {1, x->shape.dims[1], out[0], out[1]};
    const size_t taps = window.kernel[0] * window.kernel[1];
    if (!s3e_shape_set(&shape, dims, 4)) {
        return s3e_fail(err, S3E_E_LIMIT, "its result is too large");
    }
    if (taps == 1) {
        return pick(call, x, &window, &shape, err);
    }
    if (s3e_attr_int(call, "count_include_pad", 0)) {
        rc = pad_to_count(call, &x, &window, err);
    }
    if (!rc) {
        rc = s3e_take_macs(call->build, shape.num, taps, err);
    }
    if (!rc) {
        rc = s3e_make_node(call, &node, (enum s3e_kind)call->op->arg,
            (struct s3e_value *[2]){x}, &shape, shape.dims[1], err);
    }
    if (rc) {
        return rc;
    }
    node->window = window;
    call->out = node->out;
    return S3E_OK;
}

/* The mean over `rows` of x, stored [rows, kept]; the result has `shape`. */
static s3e_rc mean_rows(struct s3e_call *call, struct s3e_value *x, size_t rows,
    const struct s3e_shape *shape, struct s3e_err *err)
{
    const size_t kept = shape->num;
    struct s3e_shape picture, pixel;
    struct s3e_node *node = NULL;
    if (rows == 1) {
        return s3e_relabel(call, &call->out, x, shape, err);
    }
    if (!s3e_shape_set(&picture, (const size_t[]){1, kept, rows, 1}, 4) ||
        !s3e_shape_set(&pixel, (const size_t[]){1, kept, 1, 1}, 4)) {
        return s3e_fail(err, S3E_E_LIMIT, "its input is too large");
    }
    s3e_rc rc = S3E_OK;
    if (!s3e_value_is_image(x) || x->shape.dims[1] != kept) {
        rc = s3e_view(call, &x, x, &picture, kept, err);
    }
    if (!rc) {
        rc = s3e_make_node(call, &node, S3E_MEAN, (struct s3e_value *[2]){x},
            &pixel, kept, err);
    }
    return rc ? rc : s3e_relabel(call, &call->out, node->out, shape, err);
}

/* True where the reduced axes are those stored first, so that the elements to
 * average lie `*kept` apart. */
static bool reduces_rows(const struct s3e_value *x, const bool *reduced)
{
    const struct s3e_shape *shape = &x->shape;
    const bool turned = x->chan > 1 && x->chan < shape->num;
    size_t kept = 1;
    bool changed = false; /* from the first sort of axes to the second */
    for (size_t i = 0; i < shape->rank; i++) {
        const bool first = turned ? !reduced[i] : reduced[i];
        if (shape->dims[i] == 1) {
            continue;
        }
        if (first && changed) {
            return false;
        }
        changed = changed || !first;
        kept *= reduced[i] ? 1 : shape->dims[i];
    }
    return !turned || kept == x->chan || kept == 1;
}

static s3e_rc mean_over(
    struct s3e_call *call, const bool *reduced, bool keep, struct s3e_err *err)
{
    struct s3e_value *x = call->in[0];
    struct s3e_shape shape;
    size_t dims[S3E_RANK_MAX] = {0}, rank = 0, rows = 1;
    for (size_t i = 0; i < x->shape.rank; i++) {
        rows *= reduced[i] ? x->shape.dims[i] : 1;
        if (!reduced[i] || keep) {
            dims[rank++] = reduced[i] ? 1 : x->shape.dims[i];
        }
    }
    if ((rows > 1 && !reduces_rows(x, reduced)) ||
        !s3e_shape_set(&shape, dims, rank)) {
        return s3e_fail(err, S3E_E_FORMAT,
            "its mean of %s is not one over height and width, the only one "
            "supported",
            s3e_shape_print(&x->shape).s);
    }
    return mean_rows(call, x, rows, &shape, err);
}

s3e_rc s3e_op_global_pool(struct s3e_call *call, struct s3e_err *err)
{
    const bool reduced[S3E_RANK_MAX] = {false, false, true, true, true, true};
    const s3e_rc rc = s3e_need_computed(call, 0, err);
    return rc ? rc : mean_over(call, reduced, true, err);
}

s3e_rc s3e_op_reduce_mean(struct s3e_call *call, struct s3e_err *err)
{
    const size_t rank = call->in[0]->shape.rank;
    bool reduced[S3E_RANK_MAX] = {false};
    struct s3e_ints axes;
    s3e_rc rc = s3e_need_computed(call, 0, err);
    if (!rc) {
        rc = s3e_attr_list(call, &axes, "axes", 1, err);
    }
    if (rc) {
        return rc;
    }
    const bool noop = s3e_attr_int(call, "noop_with_empty_axes", 0) != 0;
    for (size_t i = 0; i < rank; i++) {
        reduced[i] = axes.num == 0 && !noop;
    }
    for (size_t i = 0; i < axes.num; i++) {
        size_t axis;
        if (!s3e_axis(&axis, axes.ints[i], rank)) {
            return s3e_fail(err, S3E_E_FORMAT, "its axis %lld is not one of %s",
                (long long)axes.ints[i],
                s3e_shape_print(&call->in[0]->shape).s);
        }
        reduced[axis] = true;
    }
    return mean_over(call, reduced, s3e_attr_int(call, "keepdims", 1), err);
}

/* The pads of height and width out of `all`, which has those before each axis
 * (of `axes`, or of all four), then those behind; false where another axis is
 * padded, or one is cut. */
static bool spatial_pads(size_t pad[4], const struct s3e_ints *all,
    const struct s3e_ints *axes, bool image)
{
    const size_t y = image ? 2 : 1, num = axes->ints ? axes->num : 4;
    bool ok = all->num == 2 * num;
    for (size_t i = 0; ok && i < all->num; i++) {
        const int64_t n = all->ints[i];
        size_t axis = i % num;
        if (axes->ints && !s3e_axis(&axis, axes->ints[i % num], 4)) {
            return false;
        }
        if (axis == y || axis == y + 1) {
            ok = n >= 0 && n <= 1 << 15;
            pad[(i / num) * 2 + (axis - y)] = ok ? (size_t)n : 0;
        } else {
            ok = n == 0;
        }
    }
    return ok;
}

static s3e_rc pad_value(
    const struct s3e_call *call, float *value, struct s3e_err *err)
{
    *value = s3e_attr_float(call, "value", 0.0F);
    if (call->in[2]) {
        const s3e_rc rc = s3e_need_constant(call, 2, S3E_F32, err);
        if (rc) {
            return rc;
        }
        *value = *(const float *)call->in[2]->data;
    }
    return isfinite(*value) ? S3E_OK
                            : s3e_fail(err, S3E_E_FORMAT,
                                  "it pads with a value that is not finite");
}

s3e_rc s3e_op_pad(struct s3e_call *call, struct s3e_err *err)
{
    struct s3e_value *x = call->in[0];
    const struct s3e_span mode = s3e_attr_text(call, "mode", "constant");
    struct s3e_ints all, axes;
    size_t pad[4] = {0};
    float value = 0.0F;
    s3e_rc rc = s3e_need_computed(call, 0, err);
    if (!rc) {
        rc = s3e_attr_list(call, &all, "pads", 1, err);
    }
    if (!rc) {
        rc = s3e_attr_list(call, &axes, "axes", 3, err);
    }
    if (!rc) {
        rc = pad_value(call, &value, err);
    }
    if (rc) {
        return rc;
    }
    const bool image = s3e_value_is_image(x);
    if (!s3e_span_eq(mode, S3E_LIT("constant")) || x->shape.rank != 4 ||
        (x->chan && !image) || !spatial_pads(pad, &all, &axes, image)) {
        return s3e_fail(err, S3E_E_FORMAT,
            "only constant padding of height and width is supported");
    }
    if (!any_pad(pad)) {
        call->out = x;
        return S3E_OK;
    }
    return add_pad(call, &call->out, x, pad, value, err);
}
