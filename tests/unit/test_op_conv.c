/* Conv against the definition, in doubles: y[o] = b[o] + sum w[o,i] x[i]. */
#include "tests/harness.h"
#include "tests/net.h"

#include <math.h>

static const double g_tolerance = 2e-6; /* float32 sums of some hundred terms */

struct conv {
    size_t in, out, groups, kernel[2], stride[2], dilation[2], pad[4];
};

static double at(const struct tensor *x, size_t c, int64_t row, int64_t col)
{
    const int64_t height = (int64_t)x->shape.dims[2];
    const int64_t width = (int64_t)x->shape.dims[3];
    const bool inside = row >= 0 && row < height && col >= 0 && col < width;
    return inside ? x->v[((int64_t)c * height + row) * width + col] : 0.0;
}

static size_t fits(const struct conv *c, size_t axis, size_t in)
{
    const size_t reach = c->dilation[axis] * (c->kernel[axis] - 1) + 1;
    const size_t padded = in + c->pad[axis] + c->pad[axis + 2];
    return padded < reach ? 0 : (padded - reach) / c->stride[axis] + 1;
}

static struct tensor zeros(size_t a, size_t b, size_t c, size_t d)
{
    char dims[100];
    (void)snprintf(dims, sizeof dims, "%zu,%zu,%zu,%zu", a, b, c, d);
    return net_zeros(dims);
}

static struct tensor random4(size_t a, size_t b, size_t c, size_t d)
{
    char dims[100];
    (void)snprintf(dims, sizeof dims, "%zu,%zu,%zu,%zu", a, b, c, d);
    return net_random(dims);
}

/* One output element: `w` is [out, in / groups, kh, kw]. */
static double element(const struct tensor *x, const struct tensor *w,
    const struct conv *c, size_t o, size_t row, size_t col)
{
    const size_t each = c->in / c->groups;
    const size_t first = o / (c->out / c->groups) * each;
    const double *filter = w->v + o * each * c->kernel[0] * c->kernel[1];
    double sum = 0.0;
    for (size_t i = 0; i < each; i++) {
        for (size_t ky = 0; ky < c->kernel[0]; ky++) {
            for (size_t kx = 0; kx < c->kernel[1]; kx++) {
                const size_t y = row * c->stride[0] + ky * c->dilation[0];
                const size_t z = col * c->stride[1] + kx * c->dilation[1];
                sum += *filter++ * at(x, first + i,
                                       (int64_t)y - (int64_t)c->pad[0],
                                       (int64_t)z - (int64_t)c->pad[1]);
            }
        }
    }
    return sum;
}

static struct tensor reference(const struct tensor *x, const struct tensor *w,
    const struct tensor *bias, const struct conv *c)
{
    const size_t height = fits(c, 0, x->shape.dims[2]);
    const size_t width = fits(c, 1, x->shape.dims[3]);
    struct tensor y = zeros(1, c->out, height, width);
    double *to = y.v;
    for (size_t o = 0; o < c->out; o++) {
        for (size_t row = 0; row < height; row++) {
            for (size_t col = 0; col < width; col++) {
                *to++ = element(x, w, c, o, row, col) + (bias ? bias->v[o] : 0);
            }
        }
    }
    return y;
}

/* x -> 1x1 convolution to c->in channels -> the convolution under test. */
static void check(const struct conv *c, size_t height, size_t width, bool bias)
{
    const struct conv first = {3, c->in, 1, {1, 1}, {1, 1}, {1, 1}, {0}};
    const struct tensor x = random4(1, 3, height, width);
    const struct tensor w0 = random4(c->in, 3, 1, 1);
    const struct tensor w =
        random4(c->out, c->in / c->groups, c->kernel[0], c->kernel[1]);
    char dims[30], attrs[200];
    (void)snprintf(dims, sizeof dims, "%zu", c->out);
    const struct tensor b = net_random(dims);
    (void)snprintf(attrs, sizeof attrs,
        "group:i=%zu strides:I=%zu,%zu dilations:I=%zu,%zu "
        "pads:I=%zu,%zu,%zu,%zu",
        c->groups, c->stride[0], c->stride[1], c->dilation[0], c->dilation[1],
        c->pad[0], c->pad[1], c->pad[2], c->pad[3]);
    struct onnx_build net = onnx_new(17);
    onnx_input(&net, "x", "N,3,H,W");
    net_floats(&net, "w0", w0);
    net_floats(&net, "w", w);
    net_floats(&net, "b", b);
    onnx_node(&net, "Conv", "x w0", "a", "");
    onnx_node(&net, "Conv", bias ? "a w b" : "a w", "y", attrs);
    onnx_output(&net, "y");
    const struct tensor a = reference(&x, &w0, NULL, &first);
    in_case(attrs);
    net_same(net_run(onnx_file(&net), x),
        reference(&a, &w, bias ? &b : NULL, c), g_tolerance);
    in_case(NULL);
    onnx_free(&net);
    net_reset();
}

static void convolutions_of_every_kind(void)
{
    for (int trial = 0; trial < 300; trial++) {
        const size_t per_in = 1 + net_below(4), per_out = 1 + net_below(4);
        struct conv c = {.groups = 1 + net_below(5)};
        c.in = c.groups * (trial % 2 ? 1 : per_in); /* odd: depthwise */
        c.out = c.groups * per_out;
        for (size_t i = 0; i < 2; i++) {
            c.kernel[i] = 1 + net_below(5);
            c.stride[i] = 1 + net_below(3);
            c.dilation[i] = 1 + net_below(2);
        }
        for (size_t i = 0; i < 4; i++) {
            c.pad[i] = net_below(3);
        }
        const size_t height = 4 + net_below(8), width = 4 + net_below(8);
        if (fits(&c, 0, height) && fits(&c, 1, width)) {
            check(&c, height, width, net_below(2));
        }
    }
}

/* auto_pad against pads worked out by hand: SAME gives ceil(7 / 2) = 4 places
 * to a window of 4, which need (4 - 1) * 2 + 4 - 7 = 3 more. */
static void auto_pad_is_as_in_tensorflow(void)
{
    static const struct {
        const char *name;
        size_t pad[4];
    } cases[] = {
        {"auto_pad:s=SAME_UPPER", {1, 1, 2, 2}},
        {"auto_pad:s=SAME_LOWER", {2, 2, 1, 1}},
        {"auto_pad:s=VALID", {0}},
        {"auto_pad:s=NOTSET", {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct conv c = {3, 2, 1, {4, 4}, {2, 2}, {1, 1}, {0}};
        memcpy(c.pad, cases[i].pad, sizeof c.pad);
        const struct tensor x = random4(1, 3, 7, 7), w = random4(2, 3, 4, 4);
        char attrs[100];
        (void)snprintf(attrs, sizeof attrs,
            "%s strides:I=2,2 kernel_shape:I=4,4", cases[i].name);
        struct onnx_build net = onnx_new(11);
        onnx_input(&net, "x", "1,3,7,7");
        net_floats(&net, "w", w);
        onnx_node(&net, "Conv", "x w", "y", attrs);
        onnx_output(&net, "y");
        in_case(attrs);
        net_same(net_run(onnx_file(&net), x), reference(&x, &w, NULL, &c),
            g_tolerance);
        onnx_free(&net);
        net_reset();
    }
    in_case(NULL);
}

/* Conv, BatchNormalization and Relu become one node, and mean the same. */
static void what_follows_folds_in(void)
{
    for (int depthwise = 0; depthwise < 2; depthwise++) {
        const struct conv c = {
            3, 3, depthwise ? 3 : 1, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}};
        const struct tensor x = random4(1, 3, 6, 5);
        const struct tensor w = random4(3, depthwise ? 1 : 3, 3, 3);
        const struct tensor norm[] = {net_random("3"), net_random("3"),
            net_random("3"), net_random("3"), net_random("3")};
        for (int i = 0; i < 3; i++) {
            norm[4].v[i] = 1.5 + norm[4].v[i]; /* a variance */
        }
        struct onnx_build net = onnx_new(13);
        onnx_input(&net, "x", "1,3,H,W");
        net_floats(&net, "w", w);
        net_floats(&net, "b", norm[0]);
        net_floats(&net, "gamma", norm[1]);
        net_floats(&net, "beta", norm[2]);
        net_floats(&net, "mean", norm[3]);
        net_floats(&net, "var", norm[4]);
        onnx_node(&net, "Conv", "x w b", "c",
            depthwise ? "pads:I=1,1,1,1 group:i=3" : "pads:I=1,1,1,1");
        onnx_node(&net, "BatchNormalization", "c gamma beta mean var", "n",
            "epsilon:f=0.001");
        onnx_node(&net, "Relu", "n", "y", "");
        onnx_output(&net, "y");
        struct tensor want = reference(&x, &w, &norm[0], &c);
        for (size_t i = 0; i < want.shape.num; i++) {
            const size_t o = i / 30;
            const double n = (want.v[i] - norm[3].v[o]) /
                                 sqrt(norm[4].v[o] + 0.001) * norm[1].v[o] +
                             norm[2].v[o];
            want.v[i] = n > 0.0 ? n : 0.0;
        }
        net_same(net_run(onnx_file(&net), x), want, g_tolerance);
        CHECK(net_nodes(&net) == 1);
        onnx_free(&net);
        net_reset();
    }
}

static void what_does_not_fit_is_refused(void)
{
    static const struct {
        const char *filter, *bias, *attrs, *says;
    } cases[] = {
        {"4,3,3,3", "4", "pads:I=-1,0,0,0",
            "Conv node 'y': its pads include -1"},
        {"4,3,3,3", "4", "pads:I=1,1",
            "Conv node 'y': its pads are 2 numbers; 4 are supported (two "
            "dimensions)"},
        {"4,3,9,9", "4", "",
            "Conv node 'y': its window does not fit into its input of 8x8"},
        {"4,2,3,3", "4", "",
            "Conv node 'y': its filter 4x2x3x3 in 1 groups does not fit 3 "
            "channels"},
        {"4,1,3,3", "4", "group:i=3",
            "Conv node 'y': its filter 4x1x3x3 in 3 groups does not fit 3 "
            "channels"},
        {"4,3,3,3", "4", "group:i=0",
            "Conv node 'y': its filter 4x3x3x3 in 0 groups does not fit 3 "
            "channels"},
        {"4,3,3,3", "5", "", "Conv node 'y': its bias is 5 for 4 channels"},
        {"4,3,3", "4", "",
            "Conv node 'y': its filter is 4x3x3; two-dimensional ones are "
            "supported"},
        {"4,3,3,3", "4", "kernel_shape:I=3,2",
            "Conv node 'y': its kernel_shape is not its filter's, 4x3x3x3"},
        {"4,3,3,3", "4", "strides:I=0,1",
            "Conv node 'y': its strides include 0"},
        {"4,3,3,3", "4", "dilations:I=1,4294967297",
            "Conv node 'y': its dilations include 4294967297"},
        {"4,3,3,3", "4", "auto_pad:s=SOME",
            "Conv node 'y': its auto_pad is 'SOME'"},
        {"4,3,3,3", "4", "pads:I=30000,30000,30000,30000",
            "Conv node 'y': its window of 9 elements has 60006x60006 "
            "positions"},
        {"4,3,3,3", "4", "colour:i=3",
            "Conv node 'y': its attribute 'colour' (opset 13) is not "
            "supported"},
        {"4,3,3,3", "4", "group:f=1",
            "Conv node 'y': its attribute 'group' is of a wrong type"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct onnx_build net = onnx_new(13);
        onnx_input(&net, "x", "1,3,H,W");
        net_floats(&net, "w", net_random(cases[i].filter));
        net_floats(&net, "b", net_random(cases[i].bias));
        onnx_node(&net, "Conv", "x w b", "y", cases[i].attrs);
        onnx_output(&net, "y");
        in_case(cases[i].attrs);
        CHECK_STR(net_error(&net), cases[i].says);
        onnx_free(&net);
        net_reset();
    }
    in_case(NULL);
}

/* A convolution wants a picture, in an order that need not be changed. */
static void what_is_no_picture_is_refused(void)
{
    static const struct {
        const char *op, *attrs, *says;
    } cases[] = {
        {"Flatten", "",
            "Conv node 'y': its input is 1x192, not a picture, 1 x channels x "
            "height x width"},
        {"Transpose", "perm:I=0,2,3,1",
            "Conv node 'y': the elements of its input, 1x8x8x3, would have to "
            "be put in another order, which is not supported"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct onnx_build net = onnx_new(13);
        onnx_input(&net, "x", "1,3,H,W");
        net_floats(&net, "w", net_random("2,8,1,1"));
        onnx_node(&net, cases[i].op, "x", "a", cases[i].attrs);
        onnx_node(&net, "Conv", "a w", "y", "");
        onnx_output(&net, "y");
        CHECK_STR(net_error(&net), cases[i].says);
        onnx_free(&net);
        net_reset();
    }
}

int main(void)
{
    count_allocations();
    convolutions_of_every_kind();
    auto_pad_is_as_in_tensorflow();
    what_follows_folds_in();
    what_does_not_fit_is_refused();
    what_is_no_picture_is_refused();
    CHECK(live_allocations() == 0);
    return 0;
}
