/* Gemm, MatMul and BatchNormalization against their definitions, in doubles:
 * above all the order of the weights behind a Flatten. */
#include "tests/harness.h"
#include "tests/net.h"

#include <math.h>

static const double g_tolerance = 2e-6; /* float32 sums of some 100 terms */

/* y = alpha * x w + beta * b, w [K, N] or by_output [N, K]. */
static struct tensor reference(const struct tensor *x, const struct tensor *w,
    const struct tensor *b, bool by_output, double alpha, double beta)
{
    const size_t num_in = x->shape.num;
    const size_t num_out = w->shape.num / num_in;
    char dims[30];
    (void)snprintf(dims, sizeof dims, "%zu", num_out);
    struct tensor y = net_zeros(dims);
    for (size_t o = 0; o < num_out; o++) {
        y.v[o] = b ? beta * b->v[b->shape.num == 1 ? 0 : o] : 0.0;
        for (size_t i = 0; i < num_in; i++) {
            const size_t at = by_output ? o * num_in + i : i * num_out + o;
            y.v[o] += alpha * x->v[i] * w->v[at];
        }
    }
    return y;
}

static void begin(struct onnx_build *net, const char *how)
{
    static const int64_t flat[] = {1, -1}, rows[] = {0, 3, 20}, axis[] = {1};
    *net = onnx_new(13);
    onnx_input(net, "x", "1,3,5,4");
    onnx_ints(net, "flat", "2", flat);
    onnx_ints(net, "rows", "3", rows);
    onnx_ints(net, "axis", "1", axis);
    if (strcmp(how, "Flatten") == 0) {
        onnx_node(net, "Flatten", "x", "f", "");
    } else if (strcmp(how, "Reshape") == 0) {
        onnx_node(net, "Reshape", "x rows", "r", "");
        onnx_node(net, "Reshape", "r flat", "f", "");
    } else { /* with a Relu and a product between Flatten and Gemm */
        onnx_node(net, "Flatten", "x", "g", "axis:i=-3");
        onnx_node(net, "Relu", "g", "f", "");
    }
}

static void weights_behind_a_flatten(void)
{
    static const char *const hows[] = {"Flatten", "Reshape", "Relu"};
    for (size_t i = 0; i < 3; i++) {
        const struct tensor x = net_random("1,3,5,4");
        const struct tensor w = net_random("7,60"), b = net_random("1,7");
        struct tensor seen = x;
        struct onnx_build net;
        begin(&net, hows[i]);
        net_floats(&net, "w", w);
        net_floats(&net, "b", b);
        onnx_node(
            &net, "Gemm", "f w b", "y", "transB:i=1 alpha:f=0.5 beta:f=-2");
        onnx_output(&net, "y");
        const struct tensor got = net_run(onnx_file(&net), x);
        for (size_t k = 0; i == 2 && k < x.shape.num; k++) {
            seen.v[k] = fmax(0.0, seen.v[k]);
        }
        in_case(hows[i]);
        net_same(got, reference(&seen, &w, &b, true, 0.5, -2.0), g_tolerance);
        onnx_free(&net);
        net_reset();
    }
    in_case(NULL);
}

/* MatMul, then Add, then BatchNormalization, then Clip: one node. */
static void what_follows_folds_in(void)
{
    const struct tensor x = net_random("1,3,5,4"), w = net_random("60,6");
    const struct tensor b = net_random("6"), gamma = net_random("6");
    const struct tensor beta = net_random("6"), mean = net_random("6");
    struct tensor var = net_random("6");
    struct onnx_build net;
    for (size_t i = 0; i < 6; i++) {
        var.v[i] += 1.5;
    }
    begin(&net, "Flatten");
    net_floats(&net, "w", w);
    net_floats(&net, "b", b);
    net_floats(&net, "gamma", gamma);
    net_floats(&net, "beta", beta);
    net_floats(&net, "mean", mean);
    net_floats(&net, "var", var);
    onnx_node(&net, "MatMul", "f w", "m", "");
    onnx_node(&net, "Add", "b m", "a", "");
    onnx_node(&net, "BatchNormalization", "a gamma beta mean var", "n", "");
    onnx_node(&net, "Constant", "", "low", "value_float:f=-1.5");
    onnx_node(&net, "Clip", "n low", "y", "");
    onnx_output(&net, "y");
    struct tensor want = reference(&x, &w, &b, false, 1.0, 1.0);
    for (size_t i = 0; i < 6; i++) {
        want.v[i] =
            (want.v[i] - mean.v[i]) / sqrt(var.v[i] + 1e-5) * gamma.v[i] +
            beta.v[i];
        want.v[i] = fmax(want.v[i], -1.5);
    }
    net_same(net_run(onnx_file(&net), x), want, g_tolerance);
    onnx_free(&net);
    net_reset();
}

/* With nothing to fold into: a step of its own, on pictures and vectors. */
static void norms_stand_alone(void)
{
    const struct tensor x = net_random("1,3,5,4"), k = net_random("3");
    const struct tensor ones = net_zeros("3"), zeros = net_zeros("3");
    for (size_t i = 0; i < 3; i++) {
        ones.v[i] = 1.0;
    }
    for (int pooled = 0; pooled < 2; pooled++) {
        struct onnx_build net = onnx_new(9);
        onnx_input(&net, "x", "1,3,5,4");
        net_floats(&net, "k", k);
        net_floats(&net, "one", ones);
        net_floats(&net, "zero", zeros);
        onnx_node(&net, "MaxPool", "x", "p", "kernel_shape:I=5,4");
        onnx_node(&net, "Flatten", "p", "f", "");
        onnx_node(&net, "BatchNormalization",
            pooled ? "f k k zero one" : "x k k zero one", "n",
            "epsilon:f=0 spatial:i=1 momentum:f=0.9");
        onnx_node(&net, "Relu", "n", "y", "");
        onnx_output(&net, "y");
        struct tensor want = pooled ? net_zeros("3") : net_zeros("60");
        for (size_t c = 0; c < 3; c++) {
            double most = -1.0;
            for (size_t i = c * 20; i < c * 20 + 20; i++) {
                most = fmax(most, x.v[i]);
                want.v[pooled ? c : i] =
                    fmax(0.0, (pooled ? most : x.v[i]) * k.v[c] + k.v[c]);
            }
        }
        net_same(net_run(onnx_file(&net), x), want, g_tolerance);
        onnx_free(&net);
    }
    net_reset();
}

/* A flattened picture is stored channels last: an output says it as the model
 * does, and steps along it keep their order. */
static void flattened_outputs_keep_their_order(void)
{
    const struct tensor x = net_random("1,3,5,4"), k = net_random("60");
    struct tensor want = net_zeros("60");
    struct onnx_build net;
    begin(&net, "Flatten");
    net_floats(&net, "k", k);
    onnx_node(&net, "Add", "f k", "y", "");
    onnx_output(&net, "y");
    for (size_t i = 0; i < 60; i++) {
        want.v[i] = x.v[i] + k.v[i];
    }
    net_same(net_run(onnx_file(&net), x), want, g_tolerance);
    onnx_free(&net);
    net_reset();
}

static void what_does_not_fit_is_refused(void)
{
    static const struct {
        const char *op, *inputs, *attrs, *says;
    } cases[] = {
        {"Gemm", "f w", "",
            "weights of 7x192 do not fit its input, 1x192, or that is more "
            "than one row, which is not supported"},
        {"Gemm", "f w b", "transB:i=1", "its bias is 8 for 7 outputs"},
        {"Gemm", "f w", "transB:i=1 transA:i=1", "its input is not one row"},
        {"Gemm", "f f", "", "its input 1, 'f', has to be a constant"},
        {"Gemm", "w w", "",
            "its input 0, 'w', is a constant, which is not "
            "supported"},
        {"Gemm", "f i", "", "its input 1, 'i', is not float"},
        {"MatMul", "x w", "",
            "weights of 7x192 do not fit its input, 1x3x8x8, or that is more "
            "than one row, which is not supported"},
        {"BatchNormalization", "x b b b b", "", "its input 1 is 8 for 1x3x8x8"},
        {"BatchNormalization", "x b b b", "", "it has 4 inputs"},
        {"BatchNormalization", "x c c c c", "training_mode:i=1",
            "it is exported for training: export the model in eval mode"},
        {"BatchNormalization", "x c - c c", "", "its input 2 is missing"},
    };
    const int64_t ints[] = {1, 2};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct onnx_build net = onnx_new(14);
        onnx_input(&net, "x", "1,3,H,W");
        net_floats(&net, "w", net_random("7,192"));
        net_floats(&net, "b", net_random("8"));
        net_floats(&net, "c", net_random("3"));
        onnx_ints(&net, "i", "1,2", ints);
        onnx_node(&net, "Flatten", "x", "f", "");
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
    weights_behind_a_flatten();
    what_follows_folds_in();
    norms_stand_alone();
    flattened_outputs_keep_their_order();
    what_does_not_fit_is_refused();
    CHECK(live_allocations() == 0);
    return 0;
}
