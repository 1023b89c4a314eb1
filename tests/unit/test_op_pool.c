/* Pools, means and padding against their definitions, in doubles. */
#include "tests/harness.h"
#include "tests/net.h"

#include <math.h>

static const double g_tolerance = 2e-6; /* float32 sums */

struct pool {
    const char *op, *attrs;
    size_t kernel[2], stride[2], dilation[2], pad[4];
    bool counts_pad;
};

static double window(const struct tensor *x, const struct pool *p, size_t c,
    int64_t top, int64_t left)
{
    const int64_t height = (int64_t)x->shape.dims[2];
    const int64_t width = (int64_t)x->shape.dims[3];
    const bool max = strcmp(p->op, "MaxPool") == 0;
    double best = max ? -1e30 : 0.0, num = 0.0;
    for (size_t i = 0; i < p->kernel[0] * p->kernel[1]; i++) {
        const int64_t y = top + (int64_t)(i / p->kernel[1] * p->dilation[0]);
        const int64_t z = left + (int64_t)(i % p->kernel[1] * p->dilation[1]);
        const bool inside = y >= 0 && y < height && z >= 0 && z < width;
        const double v =
            inside ? x->v[((int64_t)c * height + y) * width + z] : 0.0;
        if (max) {
            best = inside ? fmax(best, v) : best;
        } else {
            best += v;
        }
        num += inside || p->counts_pad;
    }
    return max ? best : best / num;
}

static struct tensor reference(
    const struct tensor *x, const struct pool *p, const char *dims)
{
    struct tensor y = net_zeros(dims);
    const size_t height = y.shape.dims[2], width = y.shape.dims[3];
    for (size_t i = 0; i < y.shape.num; i++) {
        const size_t row = i / width % height, col = i % width;
        y.v[i] = window(x, p, i / width / height,
            (int64_t)(row * p->stride[0]) - (int64_t)p->pad[0],
            (int64_t)(col * p->stride[1]) - (int64_t)p->pad[1]);
    }
    return y;
}

static struct tensor run(
    const struct tensor *x, const char *op, const char *attrs, const char *more)
{
    struct onnx_build net = onnx_new(17);
    onnx_input(&net, "x", "N,3,H,W");
    onnx_node(&net, op, "x", "y", attrs);
    if (more) {
        onnx_node(&net, more, "y", "z", "");
    }
    onnx_output(&net, more ? "z" : "y");
    const struct tensor y = net_run(onnx_file(&net), *x);
    onnx_free(&net);
    return y;
}

static void pools_slide(void)
{
    /* All over pictures of 9x8; `out` is worked out by hand. */
    static const struct {
        struct pool pool;
        const char *out;
    } cases[] = {
        {{"MaxPool", "kernel_shape:I=3,3 strides:I=2,2 pads:I=1,1,1,1", {3, 3},
             {2, 2}, {1, 1}, {1, 1, 1, 1}, false},
            "1,3,5,4"},
        {{"MaxPool", "kernel_shape:I=2,2", {2, 2}, {1, 1}, {1, 1}, {0}, false},
            "1,3,8,7"},
        {{"MaxPool", "kernel_shape:I=2,3 strides:I=2,3 pads:I=0,2,1,0", {2, 3},
             {2, 3}, {1, 1}, {0, 2, 1, 0}, false},
            "1,3,5,3"},
        {{"MaxPool", "kernel_shape:I=2,2 dilations:I=2,3", {2, 2}, {1, 1},
             {2, 3}, {0}, false},
            "1,3,7,5"},
        {{"MaxPool", "kernel_shape:I=3,3 strides:I=2,2 ceil_mode:i=1", {3, 3},
             {2, 2}, {1, 1}, {0}, false},
            "1,3,4,4"},
        {{"MaxPool", "kernel_shape:I=2,2 strides:I=2,2 auto_pad:s=SAME_UPPER",
             {2, 2}, {2, 2}, {1, 1}, {0}, false},
            "1,3,5,4"},
        {{"MaxPool", "kernel_shape:I=1,1 strides:I=2,2", {1, 1}, {2, 2}, {1, 1},
             {0}, false},
            "1,3,5,4"},
        {{"MaxPool", "kernel_shape:I=1,1", {1, 1}, {1, 1}, {1, 1}, {0}, false},
            "1,3,9,8"},
        {{"AveragePool", "kernel_shape:I=3,2 strides:I=2,2", {3, 2}, {2, 2},
             {1, 1}, {0}, false},
            "1,3,4,4"},
        {{"AveragePool", "kernel_shape:I=3,3 strides:I=2,2 pads:I=1,1,1,1",
             {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, false},
            "1,3,5,4"},
        {{"AveragePool",
             "kernel_shape:I=3,3 pads:I=1,0,2,1 count_include_pad:i=1", {3, 3},
             {1, 1}, {1, 1}, {1, 0, 2, 1}, true},
            "1,3,10,7"},
        {{"AveragePool", "kernel_shape:I=3,3 strides:I=2,2 ceil_mode:i=1",
             {3, 3}, {2, 2}, {1, 1}, {0}, false},
            "1,3,4,4"},
        {{"AveragePool", "kernel_shape:I=9,8", {9, 8}, {1, 1}, {1, 1}, {0},
             false},
            "1,3,1,1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct pool *p = &cases[i].pool;
        const struct tensor x = net_random("1,3,9,8");
        in_case(p->attrs);
        struct tensor want = reference(&x, p, cases[i].out);
        net_same(run(&x, p->op, p->attrs, "Identity"), want, g_tolerance);
        for (size_t k = 0; k < want.shape.num; k++) {
            want.v[k] = fmax(0.0, want.v[k]);
        }
        net_same(run(&x, p->op, p->attrs, "Relu"), want, g_tolerance);
        net_reset();
    }
    in_case(NULL);
}

static void means_over_the_picture(void)
{
    const struct tensor x = net_random("1,3,5,4");
    struct tensor want = net_zeros("3");
    for (size_t i = 0; i < x.shape.num; i++) {
        want.v[i / 20] += x.v[i] / 20;
    }
    net_same(run(&x, "GlobalAveragePool", "", NULL), want, g_tolerance);
    net_same(run(&x, "GlobalAveragePool", "", "Flatten"), want, g_tolerance);
    net_same(run(&x, "ReduceMean", "axes:I=2,3", NULL), want, g_tolerance);
    net_same(run(&x, "ReduceMean", "axes:I=-1,-2 keepdims:i=0", NULL), want,
        g_tolerance);
    struct tensor all = net_zeros("1");
    all.v[0] = (want.v[0] + want.v[1] + want.v[2]) / 3;
    net_same(run(&x, "ReduceMean", "keepdims:i=0", NULL), all, g_tolerance);
    for (size_t i = 0; i < x.shape.num; i++) {
        x.v[i] = fmax(0.0, x.v[i]);
    }
    net_same(run(&x, "ReduceMean", "axes:I=0", "Relu"), x, 0.0);
    net_reset();
}

/* Squeeze and excite: the mean goes on as a picture of one pixel. */
static void means_are_pictures_still(void)
{
    const struct tensor x = net_random("1,3,5,4"), w = net_random("3,3,1,1");
    struct tensor want = net_zeros("60"), mean = net_zeros("3");
    struct onnx_build net = onnx_new(13);
    onnx_input(&net, "x", "N,3,H,W");
    net_floats(&net, "w", w);
    onnx_node(&net, "GlobalAveragePool", "x", "m", "");
    onnx_node(&net, "Conv", "m w", "c", "");
    onnx_node(&net, "Mul", "c x", "y", "");
    onnx_output(&net, "y");
    for (size_t i = 0; i < 60; i++) {
        mean.v[i / 20] += x.v[i] / 20;
    }
    for (size_t i = 0; i < 60; i++) {
        for (size_t c = 0; c < 3; c++) {
            want.v[i] += w.v[i / 20 * 3 + c] * mean.v[c] * x.v[i];
        }
    }
    net_same(net_run(onnx_file(&net), x), want, g_tolerance);
    onnx_free(&net);
    net_reset();
}

/* The axes as an input, the tensor reshaped before, NHWC: one mean. */
static void means_by_other_routes(void)
{
    const int64_t spatial[] = {2, 3}, last[] = {2}, nhwc[] = {1, 2};
    const int64_t shape[] = {0, 3, -1};
    const struct tensor x = net_random("1,3,5,4");
    struct tensor want = net_zeros("3");
    for (size_t i = 0; i < x.shape.num; i++) {
        want.v[i / 20] += x.v[i] / 20;
    }
    for (int route = 0; route < 3; route++) {
        struct onnx_build net = onnx_new(18);
        onnx_input(&net, "x", "1,3,5,4");
        onnx_ints(&net, "spatial", "2", spatial);
        onnx_ints(&net, "last", "1", last);
        onnx_ints(&net, "nhwc", "2", nhwc);
        onnx_ints(&net, "shape", "3", shape);
        if (route == 0) {
            onnx_node(&net, "ReduceMean", "x spatial", "y", "keepdims:i=0");
        } else if (route == 1) {
            onnx_node(&net, "Reshape", "x shape", "r", "");
            onnx_node(&net, "ReduceMean", "r last", "y", "");
        } else {
            onnx_node(&net, "Transpose", "x", "t", "perm:I=0,2,3,1");
            onnx_node(&net, "ReduceMean", "t nhwc", "y", "");
        }
        onnx_output(&net, "y");
        net_same(net_run(onnx_file(&net), x), want, g_tolerance);
        onnx_free(&net);
    }
    net_reset();
}

static void padding_adds_a_frame(void)
{
    const int64_t pads[] = {0, 0, 1, 2, 0, 0, 0, 3};
    const int64_t none[] = {0, 0, 0, 0, 0, 0, 0, 0};
    const int64_t axes[] = {-1, 2}, two[] = {2, 1, 3, 0}; /* of opset 18 */
    const float value = -0.5F;
    const struct tensor x = net_random("1,3,4,5");
    struct tensor want = net_zeros("1,3,5,10");
    for (size_t i = 0; i < want.shape.num; i++) {
        const size_t c = i / 50, row = i / 10 % 5, col = i % 10;
        const bool inside = row >= 1 && col >= 2 && col < 7;
        want.v[i] =
            inside ? x.v[(c * 4 + row - 1) * 5 + col - 2] : (double)value;
    }
    struct onnx_build net = onnx_new(13);
    onnx_input(&net, "x", "1,3,4,5");
    onnx_ints(&net, "pads", "8", pads);
    onnx_floats(&net, "value", "", &value);
    onnx_ints(&net, "none", "8", none);
    onnx_node(&net, "Pad", "x none value", "same", "");
    onnx_node(&net, "Pad", "same pads value", "y", "mode:s=constant");
    onnx_output(&net, "y");
    net_same(net_run(onnx_file(&net), x), want, 0.0);
    onnx_free(&net);
    net = onnx_new(18);
    onnx_input(&net, "x", "1,3,4,5");
    onnx_ints(&net, "axes", "2", axes);
    onnx_ints(&net, "two", "4", two);
    onnx_floats(&net, "value", "", &value);
    onnx_node(&net, "Pad", "x two value axes", "y", "");
    onnx_output(&net, "y");
    net_same(net_run(onnx_file(&net), x), want, 0.0);
    onnx_free(&net);
    net_reset();
}

static void what_does_not_fit_is_refused(void)
{
    static const struct {
        const char *op, *attrs, *says;
    } cases[] = {
        {"MaxPool", "", "its kernel_shape is not two numbers of 1 or more"},
        {"MaxPool", "kernel_shape:I=2",
            "its kernel_shape is not two numbers of 1 or more"},
        {"MaxPool", "kernel_shape:I=2,-2",
            "its kernel_shape is not two numbers of 1 or more"},
        {"MaxPool", "kernel_shape:I=40000,40000", "its kernel is 40000x40000"},
        {"MaxPool", "kernel_shape:I=2,2 pads:I=2,0,0,0",
            "its pads of 2 are as large as its window"},
        {"MaxPool", "kernel_shape:I=9,9",
            "its window does not fit into its input of 8x8"},
        {"MaxPool", "kernel_shape:I=2,2 storage_order:i=1",
            "its storage_order is not 0"},
        {"AveragePool",
            "kernel_shape:I=3,3 strides:I=2,2 ceil_mode:i=1 "
            "count_include_pad:i=1",
            "its ceil_mode with count_include_pad is not supported here"},
        {"AveragePool", "kernel_shape:I=3,3 dilations:I=2,2",
            "its dilations are not supported"},
        {"ReduceMean", "axes:I=1",
            "its mean of 1x3x8x8 is not one over height and width, the only "
            "one supported"},
        {"ReduceMean", "axes:I=3",
            "its mean of 1x3x8x8 is not one over height and width, the only "
            "one supported"},
        {"ReduceMean", "axes:I=4", "its axis 4 is not one of 1x3x8x8"},
        {"Pad", "pads:I=0,1,0,0,0,0,0,0",
            "only constant padding of height and width is supported"},
        {"Pad", "pads:I=0,0,-1,0,0,0,0,0",
            "only constant padding of height and width is supported"},
        {"Pad", "pads:I=0,0,1,0 mode:s=reflect",
            "only constant padding of height and width is supported"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct onnx_build net = onnx_new(10);
        onnx_input(&net, "x", "1,3,H,W");
        onnx_node(&net, cases[i].op, "x", "y", cases[i].attrs);
        onnx_output(&net, "y");
        in_case(cases[i].attrs);
        const char *says = strstr(net_error(&net), "its ");
        says = says ? says : strstr(net_error(&net), "only ");
        CHECK_STR(says, cases[i].says);
        onnx_free(&net);
    }
    in_case(NULL);
}

int main(void)
{
    count_allocations();
    pools_slide();
    means_over_the_picture();
    means_are_pictures_still();
    means_by_other_routes();
    padding_adds_a_frame();
    what_does_not_fit_is_refused();
    CHECK(live_allocations() == 0);
    return 0;
}
