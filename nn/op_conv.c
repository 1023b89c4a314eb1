/* Conv, and the windows that it shares with the pools. */
#include "nn/op.h"

/* Strides, dilations, pads and kernels larger than this are nonsense. */
enum { WINDOW_MAX = 1 << 15 };

/* `num` small numbers of a list attribute; 1 or `none` where it is absent. */
static s3e_rc read_small(const struct s3e_call *call, size_t *out,
    const char *name, size_t num, size_t none, struct s3e_err *err)
{
    const struct s3e_onnx_attr *attr = s3e_attr(call, name);
    for (size_t i = 0; i < num; i++) {
        out[i] = none;
    }
    if (!attr) {
        return S3E_OK;
    }
    if (attr->num != num) {
        return s3e_fail(err, S3E_E_FORMAT,
            "its %s are %zu numbers; %zu are supported (two dimensions)", name,
            attr->num, num);
    }
    for (size_t i = 0; i < num; i++) {
        if (attr->ints[i] < (int64_t)(none ? 1 : 0) ||
            attr->ints[i] > WINDOW_MAX) {
            return s3e_fail(err, S3E_E_FORMAT, "its %s include %lld", name,
                (long long)attr->ints[i]);
        }
        out[i] = (size_t)attr->ints[i];
    }
    return S3E_OK;
}

/* Pads one axis so that ceil(in / stride) windows fit. */
static void pad_same(struct s3e_window *w, size_t axis, size_t in, bool upper)
{
    const size_t reach = w->dilation[axis] * (w->kernel[axis] - 1) + 1;
    const size_t out = (in - 1) / w->stride[axis] + 1;
    const size_t need = (out - 1) * w->stride[axis] + reach;
    const size_t pad = need > in ? need - in : 0;
    w->pad[axis] = upper ? pad / 2 : pad - pad / 2;
    w->pad[axis + 2] = pad - w->pad[axis];
}

static s3e_rc read_pads(const struct s3e_call *call, struct s3e_window *w,
    const size_t in[2], struct s3e_err *err)
{
    const struct s3e_span how = s3e_attr_text(call, "auto_pad", "NOTSET");
    s3e_rc rc = read_small(call, w->pad, "pads", 4, 0, err);
    if (rc) {
        return rc;
    }
    if (s3e_span_eq(how, S3E_LIT("NOTSET"))) {
        return S3E_OK;
    }
    const bool upper = s3e_span_eq(how, S3E_LIT("SAME_UPPER"));
    if (upper || s3e_span_eq(how, S3E_LIT("SAME_LOWER"))) {
        pad_same(w, 0, in[0], upper);
        pad_same(w, 1, in[1], upper);
    } else if (s3e_span_eq(how, S3E_LIT("VALID"))) {
        memset(w->pad, 0, sizeof w->pad);
    } else {
        return s3e_fail(
            err, S3E_E_FORMAT, "its auto_pad is '%.*s'", S3E_SPAN_ARG(how));
    }
    return S3E_OK;
}

/* Positions of the window on one axis; 0 where it does not fit. */
static size_t positions(struct s3e_window *w, size_t axis, size_t in, bool ceil)
{
    const size_t reach = w->dilation[axis] * (w->kernel[axis] - 1) + 1;
    const size_t stride = w->stride[axis], before = w->pad[axis];
    const size_t padded = in + before + w->pad[axis + 2];
    if (padded < reach) {
        return 0;
    }
    size_t out = (padded - reach) / stride + 1;
    const size_t rest = (padded - reach) % stride;
    /* A window that would begin behind the picture is not one. */
    if (ceil && rest && out * stride < in + before) {
        out++;
        w->pad[axis + 2] += stride - rest;
    }
    return out;
}

s3e_rc s3e_read_window(const struct s3e_call *call, struct s3e_window *window,
    size_t out[2], const size_t in[2], bool ceil, struct s3e_err *err)
{
    for (size_t i = 0; i < 2; i++) {
        if (window->kernel[i] < 1 || window->kernel[i] > WINDOW_MAX) {
            return s3e_fail(err, S3E_E_FORMAT, "its kernel is %zux%zu",
                window->kernel[0], window->kernel[1]);
        }
    }
    s3e_rc rc = read_small(call, window->stride, "strides", 2, 1, err);
    if (!rc) {
        rc = read_small(call, window->dilation, "dilations", 2, 1, err);
    }
    if (!rc) {
        rc = read_pads(call, window, in, err);
    }
    if (rc) {
        return rc;
    }
    out[0] = positions(window, 0, in[0], ceil);
    out[1] = positions(window, 1, in[1], ceil);
    if (!out[0] || !out[1]) {
        return s3e_fail(err, S3E_E_FORMAT,
            "its window does not fit into its input of %zux%zu", in[0], in[1]);
    }
    const size_t taps = window->kernel[0] * window->kernel[1];
    if (out[0] > S3E_GRAPH_TAPS_MAX / out[1] ||
        taps > S3E_GRAPH_TAPS_MAX / (out[0] * out[1])) {
        return s3e_fail(err, S3E_E_LIMIT,
            "its window of %zu elements has %zux%zu positions", taps, out[0],
            out[1]);
    }
    return S3E_OK;
}

/* Filters [out, in / groups, kh, kw] -> [out, kh, kw, in / groups], or for
 * depthwise ones (in / groups == 1) -> [kh, kw, out]. */
static void pack(float *to, const float *from, const size_t dims[4], bool depth)
{
    const size_t num_out = dims[0], num_in = dims[1];
    const size_t taps = dims[2] * dims[3];
    for (size_t o = 0; o < num_out; o++) {
        for (size_t i = 0; i < num_in; i++) {
            for (size_t t = 0; t < taps; t++) {
                const size_t at =
                    depth ? t * num_out + o : (o * taps + t) * num_in + i;
                to[at] = *from++;
            }
        }
    }
}

static s3e_rc check_filter(const struct s3e_call *call, size_t channels,
    int64_t groups, struct s3e_err *err)
{
    const struct s3e_value *filter = call->in[1], *bias = call->in[2];
    const struct s3e_onnx_attr *kernel = s3e_attr(call, "kernel_shape");
    const size_t *dims = filter->shape.dims;
    if (filter->shape.rank != 4) {
        return s3e_fail(err, S3E_E_FORMAT,
            "its filter is %s; two-dimensional ones are supported",
            s3e_shape_print(&filter->shape).s);
    }
    if (groups < 1 || (uint64_t)groups > channels ||
        dims[1] * (size_t)groups != channels || dims[0] % (size_t)groups) {
        return s3e_fail(err, S3E_E_FORMAT,
            "its filter %s in %lld groups does not fit %zu channels",
            s3e_shape_print(&filter->shape).s, (long long)groups, channels);
    }
    if (kernel && (kernel->num != 2 || kernel->ints[0] != (int64_t)dims[2] ||
                      kernel->ints[1] != (int64_t)dims[3])) {
        return s3e_fail(err, S3E_E_FORMAT,
            "its kernel_shape is not its filter's, %s",
            s3e_shape_print(&filter->shape).s);
    }
    if (bias && bias->shape.num != dims[0]) {
        return s3e_fail(err, S3E_E_FORMAT, "its bias is %s for %zu channels",
            s3e_shape_print(&bias->shape).s, dims[0]);
    }
    return S3E_OK;
}

static s3e_rc check_inputs(struct s3e_call *call, struct s3e_err *err)
{
    s3e_rc rc = s3e_need_computed(call, 0, err);
    if (!rc) {
        rc = s3e_need_constant(call, 1, S3E_F32, err);
    }
    if (!rc && call->in[2]) {
        rc = s3e_need_constant(call, 2, S3E_F32, err);
    }
    return rc;
}

static s3e_rc fill(
    const struct s3e_call *call, struct s3e_node *node, struct s3e_err *err)
{
    const struct s3e_value *filter = call->in[1], *bias = call->in[2];
    s3e_rc rc = s3e_make_floats(&node->weights, filter->shape.num, err);
    if (!rc) {
        rc = s3e_make_floats(&node->bias, filter->shape.dims[0], err);
    }
    if (rc) {
        return rc;
    }
    pack(node->weights, filter->data, filter->shape.dims,
        node->kind == S3E_DEPTHWISE);
    if (bias) {
        memcpy(node->bias, bias->data, bias->shape.num * sizeof(float));
    }
    return S3E_OK;
}

s3e_rc s3e_op_conv(struct s3e_call *call, struct s3e_err *err)
{
    const int64_t groups = s3e_attr_int(call, "group", 1);
    struct s3e_value *x = call->in[0];
    s3e_rc rc = check_inputs(call, err);
    if (!rc) {
        rc = s3e_as_image(call, &x, x, err);
    }
    if (!rc) {
        rc = check_filter(call, x->shape.dims[1], groups, err);
    }
    if (rc) {
        return rc;
    }
    const size_t *dims = call->in[1]->shape.dims;
    struct s3e_window window = {.kernel = {dims[2], dims[3]}};
    size_t out[2];
    rc = s3e_read_window(call, &window, out, x->shape.dims + 2, false, err);
    if (rc) {
        return rc;
    }
    struct s3e_shape shape;
    struct s3e_node *node = NULL;
    if (!s3e_shape_set(
            &shape, (const size_t[]){1, dims[0], out[0], out[1]}, 4)) {
        return s3e_fail(err, S3E_E_LIMIT, "its result is too large");
    }
    const bool depth = groups > 1 && dims[1] == 1;
    rc =
        s3e_take_macs(call->build, shape.num, dims[1] * dims[2] * dims[3], err);
    if (!rc) {
        rc = s3e_make_node(call, &node, depth ? S3E_DEPTHWISE : S3E_CONV,
            (struct s3e_value *[2]){x}, &shape, shape.dims[1], err);
    }
    if (rc) {
        return rc;
    }
    node->window = window;
    node->groups = (size_t)groups;
    call->out = node->out;
    return fill(call, node, err);
}
