/* What exporters leave to be computed when a model is loaded. Each case makes
 * a constant k out of constants and shapes; the model is x + k. */
#include "tests/harness.h"
#include "tests/net.h"

#include <math.h>

enum { STEPS = 5 };

struct folding {
    const char *name;
    const char *steps[STEPS][4]; /* op, inputs, outputs, attributes */
    double k;                    /* of the first channel; the rest follow */
    double step;
};

/* Tensors to begin with: i = [3, 5, 7], j = [2], f = [[1.5], [-2.5], [4]]. */
static void check(const struct folding *c)
{
    static const int64_t i[] = {3, 5, 7}, j[] = {2};
    static const float f[] = {1.5F, -2.5F, 4.0F};
    const int64_t down[] = {-1}, ends[] = {INT64_MAX}, starts[] = {1};
    const int64_t spatial[] = {3, 1, 1}, before[] = {INT64_MIN};
    const struct tensor x = net_random("1,3,2,2");
    struct tensor want = net_zeros("12");
    struct onnx_build net = onnx_new(17);
    onnx_input(&net, "x", "N,3,H,W");
    onnx_ints(&net, "i", "3", i);
    onnx_ints(&net, "j", "1", j);
    onnx_ints(&net, "down", "1", down);
    onnx_ints(&net, "starts", "1", starts);
    onnx_ints(&net, "ends", "1", ends);
    onnx_ints(&net, "before", "1", before);
    onnx_ints(&net, "spatial", "3", spatial);
    onnx_floats(&net, "f", "3,1", f);
    for (size_t s = 0; s < STEPS && c->steps[s][0]; s++) {
        onnx_node(&net, c->steps[s][0], c->steps[s][1], c->steps[s][2],
            c->steps[s][3]);
    }
    onnx_node(&net, "Cast", "k", "real", "to:i=1");
    onnx_node(&net, "Reshape", "real spatial", "three", "");
    onnx_node(&net, "Add", "x three", "y", "");
    onnx_output(&net, "y");
    for (size_t n = 0; n < 12; n++) {
        want.v[n] = x.v[n] + c->k + c->step * (double)(n / 4);
    }
    in_case(c->name);
    net_same(net_run(onnx_file(&net), x), want, 1e-6);
    in_case(NULL);
    onnx_free(&net);
    net_reset();
}

static void constants_are_folded(void)
{
    static const struct folding cases[] = {
        {"as it is", {{"Identity", "i", "k", ""}}, 3, 2},
        {"added", {{"Add", "i j", "k", ""}}, 5, 2},
        {"subtracted", {{"Sub", "j i", "k", ""}}, -1, -2},
        {"multiplied", {{"Mul", "i j", "k", ""}}, 6, 4},
        {"divided", {{"Mul", "i j", "a", ""}, {"Div", "a j", "k", ""}}, 3, 2},
        {"remainders",
            {{"Sub", "j i", "a", ""}, {"Constant", "", "six", "value_int:i=6"},
                {"Mod", "a six", "k", ""}},
            5, -2},
        {"larger",
            {{"Constant", "", "l", "value_ints:I=1,5,7"},
                {"Max", "i l", "k", ""}},
            3, 2},
        {"smaller",
            {{"Constant", "", "l", "value_ints:I=9,5,70"},
                {"Min", "i l", "k", ""}},
            3, 2},
        {"clipped",
            {{"Constant", "", "low", "value_int:i=4"},
                {"Clip", "i low", "l", ""},
                {"Constant", "", "high", "value_int:i=6"},
                {"Clip", "l - high", "h", ""}, {"Identity", "h", "k", ""}},
            4, 1},
        {"floats",
            {{"Constant", "", "half", "value_float:f=0.5"},
                {"Cast", "i", "r", "to:i=1"}, {"Mul", "r half", "k", ""}},
            1.5, 1},
        {"float sums",
            {{"Constant", "", "l", "value_floats:F=1,2,3"},
                {"Add", "l l", "a", ""}, {"Sub", "a l", "k", ""}},
            1, 1},
        {"float quotients",
            {{"Constant", "", "l", "value_floats:F=1,2,3"},
                {"Constant", "", "m", "value_float:f=0.5"},
                {"Div", "l m", "k", ""}},
            2, 2},
        {"float limits",
            {{"Constant", "", "l", "value_floats:F=1,2,3"},
                {"Constant", "", "m", "value_floats:F=2,9,9"},
                {"Constant", "", "n", "value_floats:F=9,3,4"},
                {"Max", "l m", "a", ""}, {"Min", "a n", "k", ""}},
            2, 1},
        {"float remainders",
            {{"Constant", "", "l", "value_floats:F=5,6,7"},
                {"Constant", "", "m", "value_float:f=4"},
                {"Mod", "l m", "k", "fmod:i=1"}},
            1, 1},
        {"clipped floats",
            {{"Constant", "", "l", "value_floats:F=0,2,9"},
                {"Constant", "", "m", "value_float:f=1"},
                {"Constant", "", "n", "value_float:f=3"},
                {"Clip", "l m n", "k", ""}},
            1, 1},
        {"rounded",
            {{"Constant", "", "l", "value_floats:F=1.2,2.2,3.2"},
                {"Floor", "l", "k", ""}},
            1, 1},
        {"rounded up",
            {{"Constant", "", "l", "value:t=1:0.2,1.2,2.2"},
                {"Ceil", "l", "k", ""}},
            1, 1},
        {"roots",
            {{"Constant", "", "l", "value:t=1:1,4,9"}, {"Sqrt", "l", "r", ""},
                {"Neg", "r", "n", ""}, {"Abs", "n", "k", ""}},
            1, 1},
        {"cut to integers",
            {{"Constant", "", "l", "value:t=1:1.9,2.9,3.9"},
                {"Cast", "l", "k", "to:i=7"}},
            1, 1},
        {"a shape",
            {{"Shape", "x", "s", ""}, /* 1, 3, 2, 2 */
                {"Slice", "s starts ends", "t", ""},
                {"Constant", "", "l", "value:t=7:0,2,5"},
                {"Sub", "t l", "k", ""}},
            3, -3},
        {"gathered backwards",
            {{"Constant", "", "l", "value:t=7:2,-2,0"},
                {"Gather", "i l", "k", "axis:i=0"}},
            7, -2},
        {"gathered rows",
            {{"Constant", "", "l", "value:t=7:0,0,0"},
                {"Gather", "f l", "k", "axis:i=0"}},
            1.5, 0},
        {"joined",
            {{"Constant", "", "l", "value:t=7:1"},
                {"Concat", "l j spatial", "five", "axis:i=0"},
                {"Constant", "", "n", "value:t=7:0,1,2"},
                {"Gather", "five n", "k", ""}},
            1, 1},
        {"sliced backwards", {{"Slice", "i down before - down", "k", ""}}, 7,
            -2},
        {"sliced in steps",
            {{"Constant", "", "last", "value_ints:I=3"},
                {"Concat", "i i", "six", "axis:i=-1"},
                {"Slice", "six j ends - j", "two", ""},
                {"Concat", "two last", "k", "axis:i=0"}},
            7, -2},
        {"transposed",
            {{"Transpose", "f", "t", ""},
                {"Constant", "", "l", "value:t=7:1,1,1"},
                {"Gather", "t l", "k", "axis:i=-1"}},
            -2.5, 0},
        {"filled",
            {{"Constant", "", "shape", "value_ints:I=3"},
                {"ConstantOfShape", "shape", "k", "value:t=1:0.25"}},
            0.25, 0},
        {"zeros",
            {{"Constant", "", "shape", "value_ints:I=3"},
                {"ConstantOfShape", "shape", "k", ""}},
            0, 0},
        {"reshaped",
            {{"Unsqueeze", "i starts", "u", ""}, {"Squeeze", "u", "k", ""}}, 3,
            2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(&cases[i]);
    }
}

/* The chain of x.reshape(x.shape[0], -1) in old exporters. */
static void shapes_of_computed_tensors_are_constants(void)
{
    const struct tensor x = net_random("1,3,2,2");
    const int64_t zero[] = {0}, minus[] = {-1};
    const int64_t first = 0;
    struct onnx_build net = onnx_new(12);
    onnx_input(&net, "x", "N,3,H,W");
    onnx_ints(&net, "zero", "1", zero);
    onnx_ints(&net, "minus", "1", minus);
    onnx_ints(&net, "first", "", &first);
    onnx_node(&net, "Neg", "x", "n", "");
    onnx_node(&net, "Neg", "n", "p", "");
    onnx_node(&net, "Shape", "p", "s", "");
    onnx_node(&net, "Gather", "s first", "b", "axis:i=0");
    onnx_node(&net, "Unsqueeze", "b", "u", "axes:I=0");
    onnx_node(&net, "Concat", "u minus", "c", "axis:i=0");
    onnx_node(&net, "Reshape", "p c", "y", "");
    onnx_output(&net, "y");
    net_same(net_run(onnx_file(&net), x), x, 0.0);
    onnx_free(&net);
    net_reset();
}

static void what_does_not_fit_is_refused(void)
{
    static const struct {
        const char *op, *inputs, *attrs, *says;
    } cases[] = {
        {"Div", "i z", "", "it divides by zero"},
        {"Mod", "i z", "", "it divides by zero"},
        {"Cast", "nan", "to:i=7", "nan is no integer"},
        {"Cast", "i", "to:i=8", "a cast to type 8 is not supported here"},
        {"Cast", "x", "to:i=7", "a cast to type 7 is not supported here"},
        {"Relu", "nan", "",
            "its input 0, 'nan', is a constant, which is not "
            "supported"},
        {"Constant", "", "value:t=3:1",
            "its tensor is empty, or of a type (3) that is not supported"},
        {"Gather", "i three", "", "its index 3 is not below 3"},
        {"Gather", "x i", "", "its input 0, 'x', has to be a constant"},
        {"Gather", "i i", "axis:i=1", "its axis or shapes do not fit"},
        {"Concat", "x x", "axis:i=1",
            "joining computed tensors is not supported yet"},
        {"Concat", "i nan", "axis:i=0", "its inputs or axis do not fit"},
        {"Concat", "i i", "", "its inputs or axis do not fit"},
        {"Slice", "x z three three", "",
            "cutting computed tensors is not supported "
            "yet"},
        {"Slice", "i three z", "",
            "its bounds are wrong, or leave nothing of 3"},
        {"Slice", "i z three z z", "",
            "its bounds are wrong, or leave nothing of 3"},
        {"Constant", "", "", "it has 0 attributes"},
        {"Constant", "",
            "value_ints:I=", "a constant of 0 elements is not supported"},
        {"ConstantOfShape", "big", "", "its shape or value is not one"},
        {"ConstantOfShape", "z", "", "its shape or value is not one"},
    };
    const int64_t i[] = {1, 2, 0}, zero[] = {0}, three[] = {3};
    const int64_t big[] = {1 << 27, 2};
    const float nan[] = {NAN};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct onnx_build net = onnx_new(13);
        onnx_input(&net, "x", "1,3,H,W");
        onnx_ints(&net, "i", "3", i);
        onnx_ints(&net, "z", "1", zero);
        onnx_ints(&net, "three", "1", three);
        onnx_ints(&net, "big", "2", big);
        onnx_floats(&net, "nan", "1", nan);
        onnx_node(&net, "Concat", "i i", "more", "axis:i=0");
        onnx_node(&net, cases[c].op, cases[c].inputs, "y", cases[c].attrs);
        onnx_node(&net, "Gather", "y three", "a", "");
        onnx_node(&net, "Add", "x a", "b", "");
        onnx_output(&net, "b");
        in_case(cases[c].says);
        const char *says = strstr(net_error(&net), "node 'y': ");
        CHECK_STR(says ? says + 10 : net_error(&net), cases[c].says);
        onnx_free(&net);
    }
    in_case(NULL);
}

int main(void)
{
    count_allocations();
    constants_are_folded();
    shapes_of_computed_tensors_are_constants();
    what_does_not_fit_is_refused();
    CHECK(live_allocations() == 0);
    return 0;
}
