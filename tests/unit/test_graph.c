/* The graph as a whole: names, order, inputs, outputs, limits. What single
 * operators do is in test_op_*.c. */
#include "nn/graph.h"

#include "tests/harness.h"
#include "tests/net.h"

static struct s3e_err g_err;

static s3e_rc build(struct s3e_graph **graph, struct onnx_build *b,
    const struct s3e_graph_options *options)
{
    struct s3e_onnx onnx;
    *graph = NULL;
    const s3e_rc rc = s3e_onnx_read(&onnx, onnx_file(b), &g_err);
    CHECK_RC(rc, S3E_OK, &g_err);
    const s3e_rc built = s3e_graph_new(graph, &onnx, options, &g_err);
    CHECK(built ? !*graph : *graph != NULL);
    s3e_onnx_deinit(&onnx);
    return built;
}

static const struct s3e_graph_options g_8x8 = {.height = 8, .width = 8};

static void refuse(struct onnx_build *b,
    const struct s3e_graph_options *options, s3e_rc rc, const char *says)
{
    struct s3e_graph *graph;
    in_case(says);
    CHECK_RC(build(&graph, b, options), rc, &g_err);
    CHECK_STR(g_err.msg, says);
    in_case(NULL);
    onnx_free(b);
}

/* input -> Relu -> y, with more to go wrong. */
static struct onnx_build begin(void)
{
    struct onnx_build b = onnx_new(13);
    onnx_input(&b, "x", "N,3,H,W");
    onnx_output(&b, "y");
    return b;
}

static void names_must_make_sense(void)
{
    const float one = 1.0F;
    struct onnx_build b = begin();
    onnx_node(&b, "Add", "x z", "y", "");
    onnx_node(&b, "Relu", "y", "z", "");
    refuse(&b, &g_8x8, S3E_E_FORMAT,
        "Add node 'y': it reads tensor 'z', which nothing before it makes");

    b = begin();
    onnx_node(&b, "Add", "x y", "y", "");
    refuse(&b, &g_8x8, S3E_E_FORMAT,
        "Add node 'y': it reads tensor 'y', which nothing before it makes");

    b = begin();
    onnx_node(&b, "Add", "x nowhere", "y", "");
    refuse(&b, &g_8x8, S3E_E_FORMAT,
        "Add node 'y': it reads tensor 'nowhere', which nothing before it "
        "makes");

    b = begin();
    onnx_node(&b, "Relu", "x", "y", "");
    onnx_node(&b, "Neg", "x", "y", "");
    refuse(&b, &g_8x8, S3E_E_FORMAT, "two tensors are named 'y'");

    b = begin();
    onnx_node(&b, "Relu", "x", "x", "");
    refuse(&b, &g_8x8, S3E_E_FORMAT, "two tensors are named 'x'");

    b = begin();
    onnx_floats(&b, "k", "", &one);
    onnx_floats(&b, "k", "", &one);
    onnx_node(&b, "Add", "x k", "y", "");
    refuse(&b, &g_8x8, S3E_E_FORMAT, "two tensors are named 'k'");

    b = begin();
    onnx_node(&b, "MaxPool", "x", "y indices", "kernel_shape:I=2,2");
    onnx_node(&b, "Relu", "indices", "z", "");
    onnx_output(&b, "z");
    const struct s3e_graph_options z = {.height = 8, .width = 8, .output = "z"};
    refuse(&b, &z, S3E_E_FORMAT,
        "Relu node 'z': it reads tensor 'indices', which nothing before it "
        "makes");
}

static void operators_must_be_known(void)
{
    struct onnx_build b = begin();
    onnx_node(&b, "Erf", "x", "y", "");
    refuse(&b, &g_8x8, S3E_E_FORMAT,
        "Erf node 'y': operator Erf (opset 13) is not supported");

    b = begin();
    onnx_node_in(&b, "com.microsoft", "FusedConv", "x w", "y", "");
    refuse(&b, &g_8x8, S3E_E_FORMAT,
        "FusedConv node 'y': operators of domain com.microsoft are not "
        "supported: export the model without offline optimisation");

    b = begin();
    onnx_node(&b, "Relu", "", "y", "");
    refuse(&b, &g_8x8, S3E_E_FORMAT, "Relu node 'y': it has 0 inputs");

    b = begin();
    onnx_node(&b, "Relu", "x x x", "y", "");
    refuse(&b, &g_8x8, S3E_E_FORMAT, "Relu node 'y': it has 3 inputs");
}

static void the_input_must_be_pictures(void)
{
    static const struct {
        const char *dims;
        int type;
        s3e_rc rc;
        const char *says;
    } cases[] = {
        {"N,3,8,8", 1, S3E_OK, ""},
        {"1,3,H,8", 10, S3E_OK, ""},
        {"-1,C,-1,-1", 1, S3E_OK, ""},
        {"N,8,8,3", 1, S3E_OK, ""},
        {"N,3,3,3", 1, S3E_E_INPUT,
            "input 'x' takes pictures of 3x3 (height x width) and the recipe "
            "makes 8x8: set its size to the model's"},
        {"N,3,224,W", 1, S3E_E_INPUT,
            "input 'x' takes pictures of 224x8 (height x width) and the recipe "
            "makes 8x8: set its size to the model's"},
        {"8,3,H,W", 1, S3E_E_FORMAT,
            "input 'x' takes 8 pictures at once: export the model with a batch "
            "of 1, or a dynamic one"},
        {"N,1,H,W", 1, S3E_E_FORMAT,
            "input 'x' takes 1 channels; pictures have 3"},
        {"N,3,H", 1, S3E_E_FORMAT,
            "input 'x' is not a batch of pictures: float32 of 4 dimensions"},
        {"N,3,H,W", 2, S3E_E_FORMAT,
            "input 'x' is not a batch of pictures: float32 of 4 dimensions"},
        {"N,3,H,W,1,1,1", 1, S3E_E_FORMAT,
            "input 'x' is not a batch of pictures: float32 of 4 dimensions"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct onnx_build b = onnx_new(13);
        struct s3e_graph *graph;
        onnx_input_of(&b, "x", cases[i].dims, cases[i].type);
        onnx_node(&b, "Relu", "x", "y", "");
        onnx_output(&b, "y");
        in_case(cases[i].dims);
        CHECK_RC(build(&graph, &b, &g_8x8), cases[i].rc, &g_err);
        if (cases[i].rc) {
            CHECK_STR(g_err.msg, cases[i].says);
        } else {
            CHECK(graph->input->shape.num == 192);
            CHECK(graph->output->shape.num == 192);
        }
        s3e_graph_free(graph);
        onnx_free(&b);
    }
    in_case(NULL);

    struct onnx_build b = begin();
    onnx_input(&b, "x2", "N,3,H,W");
    onnx_node(&b, "Add", "x x2", "y", "");
    refuse(&b, &g_8x8, S3E_E_FORMAT,
        "the model has several inputs, 'x2' among them; one picture is all "
        "there is");

    b = begin();
    const struct s3e_graph_options huge = {.height = 1 << 15, .width = 1 << 15};
    onnx_node(&b, "Relu", "x", "y", "");
    refuse(&b, &huge, S3E_E_LIMIT,
        "pictures of 32768x32768 are too large for a network");
}

/* Initialisers are inputs too in files of IR version 3. */
static void weights_may_be_listed_as_inputs(void)
{
    const float k = 2.0F;
    struct onnx_build b = begin();
    struct s3e_graph *graph;
    onnx_input(&b, "k", "1");
    onnx_floats(&b, "k", "1", &k);
    onnx_node(&b, "Mul", "x k", "y", "");
    CHECK_RC(build(&graph, &b, &g_8x8), S3E_OK, &g_err);
    CHECK(graph->num_parameters == 1);
    s3e_graph_free(graph);
    onnx_free(&b);
}

static void the_output_is_chosen(void)
{
    const struct s3e_graph_options first = {
        .height = 8, .width = 8, .output = "a"};
    const struct s3e_graph_options none = {
        .height = 8, .width = 8, .output = "c"};
    struct s3e_graph *graph;
    struct onnx_build b = onnx_new(13);
    onnx_input(&b, "x", "N,3,H,W");
    onnx_node(&b, "GlobalAveragePool", "x", "a", "");
    onnx_node(&b, "Erf", "a", "y", ""); /* not needed for a: not looked at */
    onnx_output(&b, "y");
    CHECK_RC(build(&graph, &b, &first), S3E_OK, &g_err);
    CHECK(graph->output->shape.num == 3 && graph->num_nodes == 1);
    s3e_graph_free(graph);
    refuse(&b, &none, S3E_E_INPUT,
        "the model has no tensor 'c'; its outputs are 'y'");

    b = begin();
    onnx_node(&b, "Relu", "x", "y", "");
    onnx_node(&b, "Neg", "x", "z", "");
    onnx_output(&b, "z");
    refuse(&b, &g_8x8, S3E_E_INPUT,
        "the model has 2 outputs, 'y', 'z': say which is the vector with the "
        "option \"output\"");

    b = begin();
    onnx_node(&b, "Constant", "", "y", "value_float:f=1");
    refuse(&b, &g_8x8, S3E_E_FORMAT,
        "'y', the output, is not computed from a picture");

    b = begin();
    onnx_node(&b, "Identity", "x", "y", "");
    refuse(&b, &g_8x8, S3E_E_FORMAT,
        "'y', the output, is not computed from a picture");
}

static void what_is_empty_or_of_another_type_is_named(void)
{
    struct onnx_build b = begin();
    onnx_raw(&b, "k", "0", 1, (struct s3e_span){NULL, 0});
    onnx_node(&b, "Add", "x k", "y", "");
    refuse(&b, &g_8x8, S3E_E_FORMAT,
        "Add node 'y': tensor 'k' is empty, or of a type (1) that is not "
        "supported");

    b = begin();
    onnx_raw(&b, "k", "2", 3, S3E_LIT("ab"));
    onnx_node(&b, "Add", "x k", "y", "");
    refuse(&b, &g_8x8, S3E_E_FORMAT,
        "Add node 'y': tensor 'k' is empty, or of a type (3) that is not "
        "supported");
}

static void sizes_have_caps(void)
{
    const struct s3e_graph_options small = {
        .height = 8, .width = 8, .max_elements = 1000};
    const struct s3e_graph_options large = {.height = 4000, .width = 4000};
    const int64_t ten_thousand[] = {10000};
    struct onnx_build b = begin();
    onnx_node(&b, "Pad", "x", "p", "pads:I=0,0,6,6,0,0,6,6");
    onnx_node(&b, "Relu", "p", "y", "");
    b.opset = 10;
    refuse(&b, &small, S3E_E_LIMIT,
        "Pad node 'p': its result is 1x3x20x20, and 1000 elements are the "
        "most allowed");

    b = begin();
    onnx_ints(&b, "n", "1", ten_thousand);
    onnx_node(&b, "ConstantOfShape", "n", "c", "");
    onnx_node(&b, "Add", "x c", "y", "");
    refuse(&b, &small, S3E_E_LIMIT,
        "ConstantOfShape node 'c': the model's constants unfold without end");

    b = begin();
    char in[20] = "x", out[20];
    for (int i = 0; i < 50; i++) {
        (void)snprintf(out, sizeof out, "r%d", i);
        onnx_node(&b, "Relu", in, out, "");
        memcpy(in, out, sizeof in);
    }
    onnx_node(&b, "Relu", in, "y", "");
    refuse(&b, &large, S3E_E_LIMIT,
        "Relu node 'r44': up to here the model computes 2160000000 numbers an "
        "image; 2147483648 at most");

    b = begin();
    onnx_node(&b, "MaxPool", "x", "p", "kernel_shape:I=9,9 pads:I=4,4,4,4");
    onnx_node(&b, "Relu", "p", "y", "");
    refuse(&b, &large, S3E_E_LIMIT,
        "MaxPool node 'p': its window of 81 elements has 4000x4000 positions");

    net_reset();
    b = begin();
    net_floats(&b, "w", net_zeros("100,3,1,1"));
    net_floats(&b, "v", net_zeros("100,100,9,7"));
    onnx_node(&b, "Conv", "x w", "a", "");
    onnx_node(&b, "Conv", "a v", "c", "pads:I=4,3,4,3");
    onnx_node(&b, "Conv", "c v", "d", "pads:I=4,3,4,3");
    onnx_node(&b, "Conv", "d v", "e", "pads:I=4,3,4,3");
    onnx_node(&b, "Conv", "e v", "y", "pads:I=4,3,4,3");
    const struct s3e_graph_options middle = {.height = 1000, .width = 1000};
    refuse(&b, &middle, S3E_E_LIMIT,
        "Conv node 'y': up to here the model takes 2520700000000 "
        "multiplications an image; 2000000000000 at most");
    net_reset();
}

struct whole {
    struct onnx_build b;
    struct s3e_onnx onnx;
};

/* Something of each kind of operator. */
static void make_whole(struct whole *w)
{
    const int64_t shape[] = {0, -1};
    w->b = begin();
    net_floats(&w->b, "w", net_random("4,3,3,3"));
    net_floats(&w->b, "k", net_random("4"));
    net_floats(&w->b, "d", net_random("4,1,3,3"));
    net_floats(&w->b, "g", net_random("16,5"));
    onnx_ints(&w->b, "s", "2", shape);
    onnx_node(&w->b, "Conv", "x w k", "a", "strides:I=2,2 pads:I=1,1,1,1");
    onnx_node(&w->b, "BatchNormalization", "a k k k k", "b", "");
    onnx_node(&w->b, "Relu", "b", "c", "");
    onnx_node(&w->b, "Conv", "c d", "e", "group:i=4 pads:I=1,1,1,1");
    onnx_node(&w->b, "Add", "c e", "f", "");
    onnx_node(&w->b, "Sigmoid", "f", "h", "");
    onnx_node(&w->b, "Add", "f x2", "m", "");
    onnx_floats(&w->b, "x2", "1", (const float[]){0.5F});
    onnx_node(&w->b, "Mul", "h m", "i", "");
    onnx_node(&w->b, "MaxPool", "i", "j", "kernel_shape:I=2,2 strides:I=2,2");
    onnx_node(&w->b, "Identity", "s", "s2", "");
    onnx_node(&w->b, "Reshape", "j s2", "l", "");
    onnx_node(&w->b, "Gemm", "l g", "y", "");
    CHECK_RC(s3e_onnx_read(&w->onnx, onnx_file(&w->b), &g_err), S3E_OK, &g_err);
    net_reset();
}

static s3e_rc build_whole(void *ctx)
{
    const struct whole *w = ctx;
    struct s3e_graph *graph;
    const s3e_rc rc = s3e_graph_new(&graph, &w->onnx, &g_8x8, &g_err);
    s3e_graph_free(graph);
    return rc;
}

int main(void)
{
    struct whole whole;
    count_allocations();
    names_must_make_sense();
    operators_must_be_known();
    the_input_must_be_pictures();
    weights_may_be_listed_as_inputs();
    the_output_is_chosen();
    what_is_empty_or_of_another_type_is_named();
    sizes_have_caps();
    make_whole(&whole);
    sweep_allocations(build_whole, &whole);
    s3e_onnx_deinit(&whole.onnx);
    onnx_free(&whole.b);
    CHECK(live_allocations() == 0);
    return 0;
}
