/* What moves no element must not change one: each chain ends as x, flat. */
#include "tests/harness.h"
#include "tests/net.h"

static void chain(
    const char *const (*nodes)[4], const int64_t *shape, const char *shape_dims)
{
    const struct tensor x = net_random("1,3,5,4");
    struct onnx_build net = onnx_new(13);
    onnx_input(&net, "x", "N,3,H,W");
    onnx_ints(&net, "s", shape_dims, shape);
    for (; (*nodes)[0]; nodes++) {
        onnx_node(&net, (*nodes)[0], (*nodes)[1], (*nodes)[2], (*nodes)[3]);
    }
    onnx_output(&net, "y");
    struct tensor want = x;
    for (size_t i = 0; i < x.shape.num; i++) {
        want.v[i] = x.v[i] < 0 ? 0 : x.v[i];
    }
    net_same(net_run(onnx_file(&net), x), want, 0.0);
    onnx_free(&net);
    net_reset();
}

static void shapes_change_and_elements_stay(void)
{
    static const char *const flatten[][4] = {
        {"Relu", "x", "a", ""}, {"Flatten", "a", "y", ""}, {NULL}};
    static const char *const flatten0[][4] = {
        {"Flatten", "x", "f", "axis:i=0"}, {"Relu", "f", "y", ""}, {NULL}};
    static const char *const flatten4[][4] = {
        {"Flatten", "x", "f", "axis:i=4"}, {"Relu", "f", "y", ""}, {NULL}};
    static const char *const reshape[][4] = {
        {"Reshape", "x s", "r", ""}, {"Relu", "r", "y", ""}, {NULL}};
    static const char *const squeeze[][4] = {{"Unsqueeze", "x s", "u", ""},
        {"Relu", "u", "r", ""}, {"Squeeze", "r s", "q", ""},
        {"Identity", "q", "y", ""}, {NULL}};
    static const char *const back[][4] = {
        {"Transpose", "x", "t", "perm:I=0,2,3,1"}, {"Relu", "t", "r", ""},
        {"Transpose", "r", "y", "perm:I=0,3,1,2"}, {NULL}};
    static const char *const dropout[][4] = {
        {"Dropout", "x", "d", ""}, {"Relu", "d", "y", ""}, {NULL}};
    static const char *const squeeze_all[][4] = {
        {"Squeeze", "x", "q", ""}, {"Relu", "q", "y", ""}, {NULL}};
    static const struct {
        const char *name;
        const char *const (*nodes)[4];
        const char *dims;
        int64_t shape[6];
    } cases[] = {
        {"flatten", flatten, "1", {0}},
        {"flatten from 0", flatten0, "1", {0}},
        {"flatten to 60x1", flatten4, "1", {0}},
        {"reshape to rows", reshape, "2", {3, 20}},
        {"reshape, a free one", reshape, "3", {0, -1, 5}},
        {"reshape to 6", reshape, "6", {1, 3, 1, 5, 2, 2}},
        {"reshape to another picture", reshape, "4", {1, 6, 5, 2}},
        {"reshape to no batch", reshape, "4", {3, 5, 1, 4}},
        {"squeeze", squeeze, "2", {1, -1}},
        {"there and back", back, "1", {0}},
        {"dropout", dropout, "1", {0}},
        {"squeeze all", squeeze_all, "1", {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        in_case(cases[i].name);
        chain(cases[i].nodes, cases[i].shape, cases[i].dims);
    }
    in_case(NULL);
}

/* Channels last for good: the output is in the order of its own axes. */
static void transposed_outputs_are_transposed(void)
{
    const struct tensor x = net_random("1,3,5,4");
    struct tensor want = net_zeros("60");
    struct onnx_build net = onnx_new(13);
    onnx_input(&net, "x", "N,3,H,W");
    onnx_node(&net, "Transpose", "x", "t", "perm:I=0,2,3,1");
    onnx_node(&net, "Neg", "t", "n", "");
    onnx_node(&net, "Flatten", "n", "y", "");
    onnx_output(&net, "y");
    for (size_t i = 0; i < 60; i++) {
        want.v[i] = -x.v[i % 3 * 20 + i / 3];
    }
    net_same(net_run(onnx_file(&net), x), want, 0.0);
    onnx_free(&net);
    net_reset();
}

/* As Keras exports: pictures come as NHWC, and are turned first. */
static void inputs_may_be_channels_last(void)
{
    const struct tensor x = net_random("1,3,5,4");
    struct tensor want = net_zeros("60");
    struct onnx_build net = onnx_new(13);
    onnx_input(&net, "x", "N,H,W,3");
    onnx_node(&net, "Transpose", "x", "t", "perm:I=0,3,1,2");
    onnx_node(&net, "MaxPool", "t", "p", "kernel_shape:I=1,1");
    onnx_node(&net, "Flatten", "p", "y", "");
    onnx_output(&net, "y");
    want = x;
    net_same(net_run(onnx_file(&net), x), want, 0.0);
    onnx_free(&net);
    net_reset();
}

static void what_does_not_fit_is_refused(void)
{
    static const struct {
        const char *op, *inputs, *attrs, *says;
    } cases[] = {
        {"Reshape", "x two", "", "1x3x8x8 cannot become 1x2"},
        {"Reshape", "x odd", "",
            "the shape to make of 1x3x8x8 is not one, or "
            "has more than 6 dimensions"},
        {"Reshape", "x seven", "",
            "the shape to make of 1x3x8x8 is not one, or has more than 6 "
            "dimensions"},
        {"Reshape", "x free", "",
            "the shape to make of 1x3x8x8 is not one, or has more than 6 "
            "dimensions"},
        {"Reshape", "x huge", "",
            "the shape to make of 1x3x8x8 is not one, or has more than 6 "
            "dimensions"},
        {"Reshape", "x x", "", "its input 1, 'x', has to be a constant"},
        {"Squeeze", "x two", "", "it drops an axis of 1x3x8x8 that is not 1"},
        {"Squeeze", "x free", "",
            "its axis -1 is out of bounds, or there twice"},
        {"Unsqueeze", "x seven", "", "it makes more than 6 dimensions"},
        {"Flatten", "x", "axis:i=5", "its axis 5 is not one of 1x3x8x8"},
        {"Transpose", "x", "perm:I=0,1,3,2",
            "transposing 1x3x8x8 to 1x3x8x8 is not supported: only NCHW and "
            "NHWC are"},
        {"Transpose", "x", "",
            "transposing 1x3x8x8 to 8x8x3x1 is not supported: only NCHW and "
            "NHWC are"},
        {"Transpose", "x", "perm:I=0,1,1,2", "its perm is no permutation"},
        {"Transpose", "x", "perm:I=0,1", "its perm has 2 axes for 1x3x8x8"},
        {"Dropout", "x - one", "",
            "it is exported for training: export the model in eval mode"},
    };
    const int64_t two[] = {1, 2}, odd[] = {-1, 5}, free[] = {-1, -1};
    const int64_t seven[] = {1, 1, 1, 1, 1, 1, 1},
                  huge[] = {1LL << 40, 1 << 30};
    const uint8_t one = 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct onnx_build net = onnx_new(13);
        onnx_input(&net, "x", "1,3,H,W");
        onnx_ints(&net, "two", "2", two);
        onnx_ints(&net, "odd", "2", odd);
        onnx_ints(&net, "free", "2", free);
        onnx_ints(&net, "seven", "7", seven);
        onnx_ints(&net, "huge", "2", huge);
        onnx_raw(&net, "one", "", 9, (struct s3e_span){&one, 1});
        onnx_node(&net, cases[i].op, cases[i].inputs, "y", cases[i].attrs);
        onnx_output(&net, "y");
        in_case(cases[i].says);
        const char *says = strstr(net_error(&net), "node 'y': ");
        CHECK_STR(says ? says + 10 : net_error(&net), cases[i].says);
        onnx_free(&net);
    }
    in_case(NULL);
}

int main(void)
{
    count_allocations();
    shapes_change_and_elements_stay();
    transposed_outputs_are_transposed();
    inputs_may_be_channels_last();
    what_does_not_fit_is_refused();
    CHECK(live_allocations() == 0);
    return 0;
}
