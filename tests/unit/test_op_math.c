/* Element by element against the C library's doubles. */
#include "tests/harness.h"
#include "tests/net.h"

#include <math.h>

static const double g_tolerance = 5e-7; /* one float32 operation */

static double apply(const char *op, double a, double b)
{
    switch (op[0] + op[1]) {
    case 'A' + 'd':
        return a + b;
    case 'S' + 'u':
        return a - b;
    case 'M' + 'u':
        return a * b;
    case 'D' + 'i':
        return a / b;
    default:
        return op[1] == 'a' ? fmax(a, b) : fmin(a, b);
    }
}

/* Element `i` of a [1, 3, 5, 4] result, of a tensor that is broadcast to it. */
static double at(const struct tensor *t, size_t i)
{
    const size_t full[] = {1, 3, 5, 4};
    size_t offset = 0, step = 1;
    for (size_t k = 0; k < t->shape.rank; k++) {
        const size_t axis = 3 - k;
        const size_t dim = t->shape.dims[t->shape.rank - 1 - k];
        offset += dim == 1 ? 0 : i % full[axis] * step;
        step *= dim;
        i /= full[axis];
    }
    return t->v[offset];
}

static void check_binary(
    const char *op, const char *dims, bool first, bool computed)
{
    struct tensor x = net_random("1,3,5,4"), k = net_random(dims);
    struct tensor want = net_zeros("1,3,5,4");
    for (size_t i = 0; i < x.shape.num; i++) {
        x.v[i] += 1.5; /* 0.5..2.5: products and quotients of one size */
    }
    for (size_t i = 0; i < k.shape.num; i++) {
        k.v[i] += 1.5;
    }
    struct onnx_build net = onnx_new(13);
    onnx_input(&net, "x", "1,3,5,4");
    net_floats(&net, "k", k);
    if (computed) { /* the picture's own maxima */
        onnx_node(&net, "MaxPool", "x", "m", "kernel_shape:I=5,4");
        for (size_t i = 0; i < 3; i++) {
            k.v[i] = 0.0;
        }
        for (size_t i = 0; i < 60; i++) {
            k.v[i / 20] = fmax(k.v[i / 20], x.v[i]);
        }
    }
    const char *b = computed ? "m" : "k";
    char inputs[20];
    (void)snprintf(
        inputs, sizeof inputs, "%s %s", first ? b : "x", first ? "x" : b);
    onnx_node(&net, op, inputs, "y", "");
    onnx_output(&net, "y");
    for (size_t i = 0; i < 60; i++) {
        const double p = at(&x, i), q = at(&k, i);
        want.v[i] = first ? apply(op, q, p) : apply(op, p, q);
    }
    in_case(op);
    net_same(net_run(onnx_file(&net), x), want, g_tolerance);
    in_case(NULL);
    onnx_free(&net);
    net_reset();
}

static void binary_operators_broadcast(void)
{
    static const char *const ops[] = {"Add", "Sub", "Mul", "Div", "Max", "Min"};
    static const char *const dims[] = {"", "1", "3,1,1", "1,3,1,1", "5,4", "4",
        "1,1,5,1", "1,3,5,4", "1,1,1,1"};
    for (size_t o = 0; o < 6; o++) {
        for (int first = 0; first < 2; first++) {
            for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
                check_binary(ops[o], dims[d], first, false);
            }
            check_binary(ops[o], "1,3,1,1", first, true);
        }
    }
}

/* Both operands computed, and stored differently: a picture and its pooled,
 * flattened and reshaped self. */
static void computed_operands_are_brought_together(void)
{
    const int64_t shape[] = {1, 3, 1, 1};
    const struct tensor x = net_random("1,3,5,4");
    struct tensor want = net_zeros("60"), mean = net_zeros("3");
    for (size_t i = 0; i < 60; i++) {
        mean.v[i / 20] += x.v[i] / 20;
    }
    for (size_t i = 0; i < 60; i++) {
        want.v[i] = fmin(fmax(mean.v[i / 20] * x.v[i], -0.1), 0.1);
    }
    struct onnx_build net = onnx_new(13);
    const float low = -0.1F, high = 0.1F;
    onnx_input(&net, "x", "1,3,5,4");
    onnx_ints(&net, "shape", "4", shape);
    onnx_floats(&net, "low", "", &low);
    onnx_floats(&net, "high", "", &high);
    onnx_node(&net, "ReduceMean", "x", "m", "axes:I=2,3 keepdims:i=0");
    onnx_node(&net, "Reshape", "m shape", "r", "");
    onnx_node(&net, "Mul", "r x", "p", "");
    onnx_node(&net, "Clip", "p low high", "y", "");
    onnx_output(&net, "y");
    net_same(net_run(onnx_file(&net), x), want, 2e-6);
    onnx_free(&net);
    net_reset();
}

static double clamp01(double v)
{
    return fmin(1.0, fmax(0.0, v));
}

static double unary(int which, double x)
{
    switch (which) {
    case 0:
        return fabs(x);
    case 1:
        return ceil(4 * x) / 4;
    case 2:
        return floor(4 * x) / 4;
    case 3:
        return -x;
    case 4:
        return sqrt(fabs(x));
    case 5:
        return 1.0 / (1.0 + exp(-x));
    case 6:
        return x * fmin(6.0, fmax(0.0, x + 3.0)) / 6.0;
    case 7:
        return x < 0 ? 0.5 * (exp(x) - 1.0) : x;
    case 8:
        return x < 0 ? 0.25 * x : x;
    case 9:
        return clamp01(0.3 * x + 0.4);
    default:
        return fmax(-0.25, x);
    }
}

static void unary_operators(void)
{
    static const struct {
        const char *op, *attrs, *before, *after;
    } cases[] = {
        {"Abs", "", NULL, NULL},
        {"Ceil", "", "Mul", "Div"},
        {"Floor", "", "Mul", "Div"},
        {"Neg", "", NULL, NULL},
        {"Sqrt", "", "Abs", NULL},
        {"Sigmoid", "", NULL, NULL},
        {"HardSwish", "", NULL, NULL},
        {"Elu", "alpha:f=0.5", NULL, NULL},
        {"LeakyRelu", "alpha:f=0.25", NULL, NULL},
        {"HardSigmoid", "alpha:f=0.3 beta:f=0.4", NULL, NULL},
        {"Clip", "min:f=-0.25", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct tensor x = net_random("1,3,5,4");
        const float four = 4.0F;
        const char *before = cases[i].before, *after = cases[i].after;
        struct tensor want = net_zeros("60");
        struct onnx_build net = onnx_new(14);
        onnx_input(&net, "x", "1,3,5,4");
        onnx_floats(&net, "four", "", &four);
        if (before) {
            onnx_node(&net, before, *before == 'M' ? "x four" : "x", "b", "");
        }
        onnx_node(&net, cases[i].op, before ? "b" : "x", "a", cases[i].attrs);
        if (after) {
            onnx_node(&net, after, "a four", "y", "");
        }
        onnx_output(&net, after ? "y" : "a");
        for (size_t k = 0; k < 60; k++) {
            want.v[k] = unary((int)i, x.v[k]);
        }
        in_case(cases[i].op);
        net_same(net_run(onnx_file(&net), x), want, 1e-6);
        onnx_free(&net);
        net_reset();
    }
    in_case(NULL);
}

/* Over channels of a pixel, over a flattened picture, before and after opset
 * 13 gave the axis another meaning. */
static void softmax_is_over_its_axis(void)
{
    static const struct {
        const char *attrs;
        int opset, group; /* elements that sum to 1, 20 apart */
        bool flat;
    } cases[] = {
        {"axis:i=1", 13, 3, false},
        {"axis:i=-3", 17, 3, false},
        {"axis:i=1", 9, 60, false},
        {"", 9, 60, false},
        {"", 17, 60, true},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const struct tensor x = net_random("1,3,5,4");
        struct tensor want = net_zeros("60");
        struct onnx_build net = onnx_new(cases[c].opset);
        onnx_input(&net, "x", "1,3,5,4");
        onnx_node(&net, "Flatten", "x", "f", "");
        onnx_node(
            &net, "Softmax", cases[c].flat ? "f" : "x", "y", cases[c].attrs);
        onnx_output(&net, "y");
        for (size_t i = 0; i < 60; i++) {
            double sum = 0.0;
            for (size_t k = 0; k < 60; k++) {
                const bool mine = cases[c].group == 60 || k % 20 == i % 20;
                sum += mine ? exp(x.v[k]) : 0.0;
            }
            want.v[i] = exp(x.v[i]) / sum;
        }
        in_case(cases[c].attrs);
        net_same(net_run(onnx_file(&net), x), want, 2e-6);
        onnx_free(&net);
        net_reset();
    }
    in_case(NULL);
}

/* Relu and Clip, twice and in any order, are what they are one by one. */
static void clamps_fold_into_each_other(void)
{
    static const struct {
        const char *first, *second;
        double min, max;
    } cases[] = {
        {"min:f=0", "max:f=0.5", 0.0, 0.5},
        {"min:f=-0.5 max:f=0.5", "min:f=0.25", 0.25, 0.5},
        {"", "min:f=-0.5", -0.5, 1.0},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const struct tensor x = net_random("1,3,5,4");
        struct tensor want = net_zeros("60");
        struct onnx_build net = onnx_new(10);
        onnx_input(&net, "x", "1,3,H,W");
        onnx_node(&net, "Clip", "x", "a", cases[c].first);
        onnx_node(&net, "Clip", "a", "y", cases[c].second);
        onnx_output(&net, "y");
        for (size_t i = 0; i < 60; i++) {
            want.v[i] = fmin(cases[c].max, fmax(cases[c].min, x.v[i]));
        }
        in_case(cases[c].second);
        net_same(net_run(onnx_file(&net), x), want, 1e-7);
        CHECK(net_nodes(&net) == 1);
        onnx_free(&net);
        net_reset();
    }
    in_case(NULL);
}

static void what_does_not_fit_is_refused(void)
{
    static const struct {
        const char *op, *inputs, *attrs, *says;
    } cases[] = {
        {"Add", "x k", "", "its inputs, 1x3x8x8 and 5, do not fit each other"},
        {"Add", "x i", "", "its inputs differ in type"},
        {"Mod", "x x", "", "only constants are supported"},
        {"Add", "f big", "",
            "a constant of 2x192 with an input of 1x192 is not supported"},
        {"Add", "f t", "",
            "the elements of its input, 1x192, would have to be put in another "
            "order, which is not supported"},
        {"Elu", "x", "alpha:f=inf", "its alpha is not finite"},
        {"Clip", "x", "min:f=1 max:f=1", "its limits are 1 and 1"},
        {"Clip", "x", "min:f=nan", "its limits are nan and inf"},
        {"Clip", "x k2 x", "", "its input 2, 'x', has to be a constant"},
        {"Softmax", "x", "axis:i=2",
            "it is over an axis of 1x3x8x8 that is not stored last, which is "
            "not supported"},
        {"Softmax", "x", "axis:i=4",
            "it is over an axis of 1x3x8x8 that is not stored last, which is "
            "not supported"},
        {"Sigmoid", "k", "",
            "it is applied to a constant, which is not supported"},
    };
    const int64_t ints[] = {1, 2, 3, 4, 5};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct onnx_build net = onnx_new(13);
        onnx_input(&net, "x", "1,3,H,W");
        net_floats(&net, "k", net_random("5"));
        net_floats(&net, "k2", net_random(""));
        net_floats(&net, "big", net_random("2,192"));
        onnx_ints(&net, "i", "5", ints);
        onnx_node(&net, "Flatten", "x", "f", "");
        onnx_node(&net, "Transpose", "x", "n", "perm:I=0,2,3,1");
        onnx_node(&net, "Flatten", "n", "t", "");
        onnx_node(&net, cases[i].op, cases[i].inputs, "y", cases[i].attrs);
        onnx_output(&net, "y");
        in_case(cases[i].says);
        const char *says = strstr(net_error(&net), "node 'y': ");
        CHECK_STR(says ? says + 10 : net_error(&net), cases[i].says);
        onnx_free(&net);
        net_reset();
    }
    in_case(NULL);
}

int main(void)
{
    count_allocations();
    binary_operators_broadcast();
    computed_operands_are_brought_together();
    unary_operators();
    softmax_is_over_its_axis();
    clamps_fold_into_each_other();
    what_does_not_fit_is_refused();
    CHECK(live_allocations() == 0);
    return 0;
}
