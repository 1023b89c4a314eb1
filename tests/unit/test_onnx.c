#include "nn/onnx.h"

#include "tests/harness.h"
#include "tests/onnx_build.h"

#include <math.h>

static struct s3e_err g_err;

/* A graph with everything that is read. */
static struct onnx_build small_model(void)
{
    static const float f[] = {1.0F, -2.5F};
    static const int64_t i[] = {-1, 1LL << 40};
    struct onnx_build b = onnx_new(13);
    onnx_input(&b, "x", "N,3,-1,8");
    onnx_floats(&b, "f", "2,1", f);
    onnx_ints(&b, "i", "2", i);
    onnx_node(&b, "Some", "x f -", "y z",
        "a:i=-3 b:f=0.5 c:s=text d:I=1,-2 e:F=0.25 t:t=7:4,5");
    onnx_output(&b, "y");
    return b;
}

static void a_file_becomes_plain_data(void)
{
    struct onnx_build b = small_model();
    struct s3e_onnx onnx;
    CHECK_RC(s3e_onnx_read(&onnx, onnx_file(&b), &g_err), S3E_OK, &g_err);
    onnx_free(&b);
    CHECK(onnx.opset == 13 && onnx.num_nodes == 1 && onnx.num_tensors == 2);
    CHECK(onnx.num_inputs == 1 && onnx.num_outputs == 1);
    const struct s3e_onnx_port *x = &onnx.inputs[0];
    CHECK_STR(x->name, "x");
    CHECK(x->has_shape && x->type == S3E_F32 && x->rank == 4);
    CHECK(x->dims[0] == -1 && x->dims[1] == 3 && x->dims[2] == -1);
    CHECK(x->dims[3] == 8);
    CHECK_STR(onnx.outputs[0].name, "y");
    CHECK(!onnx.outputs[0].has_shape);
    CHECK(((const float *)onnx.tensors[0].data)[1] < -2.4F);
    CHECK(onnx.tensors[0].shape.rank == 2);
    CHECK(((const int64_t *)onnx.tensors[1].data)[0] == -1);
    CHECK(((const int64_t *)onnx.tensors[1].data)[1] == 1LL << 40);

    const struct s3e_onnx_node *node = &onnx.nodes[0];
    CHECK_STR(node->op, "Some");
    CHECK_STR(node->name, "");
    CHECK(node->num_inputs == 3 && node->num_outputs == 2);
    CHECK_STR(node->inputs[2], "");
    CHECK(node->num_attrs == 6);
    const struct s3e_onnx_attr *a = node->attrs;
    CHECK(a[0].type == 'i' && a[0].i == -3);
    CHECK(a[1].type == 'f' && a[1].f > 0.49F && a[1].f < 0.51F);
    CHECK(a[2].type == 's');
    CHECK_SPAN(a[2].s, "text");
    CHECK(a[3].type == 'I' && a[3].num == 2 && a[3].ints[1] == -2);
    CHECK(a[4].type == 'F' && a[4].num == 1 && a[4].floats[0] > 0.2F);
    CHECK(a[5].type == 't' && ((const int64_t *)a[5].t->data)[1] == 5);
    s3e_onnx_deinit(&onnx);
}

/* One tensor of each type that is read, of the same two numbers. */
static void numbers_of_every_type(void)
{
    static const struct {
        const char *name;
        int type;
        size_t len;
        uint8_t raw[16];
        double want[2];
    } cases[] = {
        {"float", 1, 8, {0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0}, {1, -2.5}},
        {"int32", 6, 8, {5, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff}, {5, -2}},
        {"int64", 7, 16,
            {5, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                0xff},
            {5, -2}},
        {"bool", 9, 2, {1, 0}, {1, 0}},
        {"float16", 10, 4, {0, 0x3c, 0, 0xc1}, {1, -2.5}},
        {"float16, subnormal and largest", 10, 4, {1, 0, 0xff, 0x7b},
            {1.0 / (1 << 24), 65504}},
        {"double", 11, 16,
            {0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 4, 0xc0},
            {1, -2.5}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct onnx_build b = onnx_new(13);
        struct s3e_onnx onnx;
        onnx_raw(&b, "t", "2", cases[i].type,
            (struct s3e_span){cases[i].raw, cases[i].len});
        in_case(cases[i].name);
        CHECK_RC(s3e_onnx_read(&onnx, onnx_file(&b), &g_err), S3E_OK, &g_err);
        const struct s3e_onnx_tensor *t = &onnx.tensors[0];
        for (size_t k = 0; k < 2; k++) {
            const double got = t->type == S3E_F32
                                   ? (double)((const float *)t->data)[k]
                                   : (double)((const int64_t *)t->data)[k];
            CHECK(fabs(got - cases[i].want[k]) < 1e-12);
        }
        s3e_onnx_deinit(&onnx);
        onnx_free(&b);
    }
    in_case(NULL);
}

/* float16 and int32 as exporters write them too: in int32_data. */
static void numbers_in_typed_lists(void)
{
    static const struct {
        int type, field;
        uint64_t stored;
        double want;
    } cases[] = {
        {10, 5, 0x3c00, 1.0},
        {6, 5, (uint64_t)-7, -7.0},
        {9, 5, 1, 1.0},
        {7, 7, (uint64_t)-7, -7.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct onnx_build b = onnx_new(13);
        struct s3e_buf tensor = S3E_BUF(1000), list = S3E_BUF(100);
        struct s3e_onnx onnx;
        wire_varint(&list, cases[i].stored);
        wire_int(&tensor, 2, cases[i].type); /* no dims: a scalar */
        wire_bytes(&tensor, cases[i].field, s3e_buf_span(&list));
        wire_bytes(&b.graph, 5, s3e_buf_span(&tensor));
        CHECK_RC(s3e_onnx_read(&onnx, onnx_file(&b), &g_err), S3E_OK, &g_err);
        const struct s3e_onnx_tensor *t = &onnx.tensors[0];
        const double got = t->type == S3E_F32
                               ? (double)*(const float *)t->data
                               : (double)*(const int64_t *)t->data;
        CHECK(fabs(got - cases[i].want) < 1e-12);
        s3e_onnx_deinit(&onnx);
        s3e_buf_free(&tensor);
        s3e_buf_free(&list);
        onnx_free(&b);
    }
}

static void refuse(struct onnx_build *b, s3e_rc rc, const char *says)
{
    struct s3e_onnx onnx;
    in_case(says);
    CHECK_RC(s3e_onnx_read(&onnx, onnx_file(b), &g_err), rc, &g_err);
    CHECK_STR(g_err.msg, says);
    CHECK(!onnx.parts);
    in_case(NULL);
    onnx_free(b);
}

static void what_is_wrong_is_said(void)
{
    static const float f[] = {1.0F, 2.0F};
    struct onnx_build b = onnx_new(13);
    onnx_raw(&b, "w", "2", 1, (struct s3e_span){(const uint8_t *)f, 4});
    refuse(&b, S3E_E_FORMAT,
        "tensor 'w' of 2 elements holds 1: the file is damaged");

    b = onnx_new(13);
    onnx_raw(&b, "w", "1000,1000", 7, (struct s3e_span){(const uint8_t *)f, 8});
    refuse(&b, S3E_E_FORMAT,
        "tensor 'w' of 1000x1000 elements holds 1: the file is damaged");

    b = onnx_new(99);
    refuse(&b, S3E_E_FORMAT,
        "the model uses opset 99; opsets 7 to 26 are understood: export it "
        "with opset_version=17");

    b = onnx_new(13);
    struct s3e_buf tensor = S3E_BUF(1000);
    wire_int(&tensor, 1, 2);
    wire_int(&tensor, 2, 1);
    wire_bytes(&tensor, 8, S3E_LIT("w"));
    wire_int(&tensor, 14, 1);
    wire_bytes(&b.graph, 5, s3e_buf_span(&tensor));
    s3e_buf_free(&tensor);
    refuse(&b, S3E_E_INPUT,
        "tensor 'w' is in another file than the model: export it whole with "
        "torch.onnx.export(..., external_data=False), or rewrite it with "
        "onnx.save(onnx.load(path), new_path)");

    b = onnx_new(13);
    struct s3e_buf node = S3E_BUF(1000), attr = S3E_BUF(100);
    wire_bytes(&attr, 1, S3E_LIT("value"));
    wire_int(&attr, 20, 4);
    wire_bytes(&node, 4, S3E_LIT("Constant"));
    wire_bytes(&node, 3, S3E_LIT("c"));
    wire_bytes(&node, 5, s3e_buf_span(&attr));
    wire_bytes(&b.graph, 1, s3e_buf_span(&node));
    s3e_buf_free(&node);
    s3e_buf_free(&attr);
    refuse(
        &b, S3E_E_FORMAT, "Constant node 'c': attribute 'value' has no tensor");
}

static void what_is_no_model_is_refused(void)
{
    static const struct {
        const char *bytes, *says;
    } cases[] = {
        {"", "not an ONNX model: it has no graph"},
        {"<html>", "not an ONNX model, or cut short: 6 bytes that are no "
                   "protobuf"},
        {"\x08\x08", "not an ONNX model: it has no graph"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_onnx onnx;
        CHECK(s3e_onnx_read(&onnx, s3e_span_str(cases[i].bytes), &g_err) ==
              S3E_E_FORMAT);
        if (cases[i].says) {
            CHECK_STR(g_err.msg, cases[i].says);
        }
    }
}

/* A megabyte of empty nodes would take a hundred in memory. */
static void small_files_do_not_unfold_into_large_ones(void)
{
    struct onnx_build b = onnx_new(13);
    struct s3e_onnx onnx;
    for (int i = 0; i < 1000000; i++) {
        wire_bytes(&b.graph, 1, (struct s3e_span){NULL, 0});
    }
    CHECK_RC(s3e_onnx_read(&onnx, onnx_file(&b), &g_err), S3E_E_LIMIT, &g_err);
    CHECK_STR(g_err.msg,
        "the model's 2000010 bytes unfold into more than 12 times as many");
    onnx_free(&b);

    b = onnx_new(13);
    for (int i = 0; i <= S3E_ONNX_NODES_MAX; i++) {
        onnx_node(&b, "Identity", "x", "y", "");
    }
    refuse(&b, S3E_E_LIMIT, "the model has 100001 nodes; 100000 at most");
}

/* Graphs in attributes are not read, so nesting has an end. */
static void nesting_is_bounded(void)
{
    struct s3e_buf inner = S3E_BUF(10 << 20);
    struct onnx_build b = small_model();
    struct s3e_onnx onnx;
    for (int depth = 0; depth < 2000; depth++) {
        /* attribute { g { node { attribute { ... */
        static const int fields[] = {5, 6, 1};
        struct s3e_buf outer = S3E_BUF(10 << 20);
        wire_bytes(&outer, fields[depth % 3], s3e_buf_span(&inner));
        s3e_buf_free(&inner);
        inner = outer;
    }
    wire_bytes(&b.graph, 1, s3e_buf_span(&inner));
    s3e_buf_free(&inner);
    CHECK_RC(s3e_onnx_read(&onnx, onnx_file(&b), &g_err), S3E_OK, &g_err);
    s3e_onnx_deinit(&onnx);
    onnx_free(&b);
}

static void a_cut_file_is_never_more_than_an_error(void)
{
    struct onnx_build b = small_model();
    const struct s3e_span whole = onnx_file(&b);
    for (size_t len = 0; len < whole.len; len++) {
        uint8_t *cut = malloc(len ? len : 1); /* so that ASan sees its end */
        struct s3e_onnx onnx;
        CHECK(cut != NULL);
        memcpy(cut, whole.ptr, len);
        const s3e_rc rc =
            s3e_onnx_read(&onnx, (struct s3e_span){cut, len}, &g_err);
        CHECK(rc == S3E_E_FORMAT);
        free(cut);
    }
    onnx_free(&b);
}

static s3e_rc read_small(void *ctx)
{
    const struct s3e_span *file = ctx;
    struct s3e_onnx onnx;
    const s3e_rc rc = s3e_onnx_read(&onnx, *file, &g_err);
    s3e_onnx_deinit(&onnx);
    return rc;
}

int main(void)
{
    count_allocations();
    a_file_becomes_plain_data();
    numbers_of_every_type();
    numbers_in_typed_lists();
    what_is_wrong_is_said();
    what_is_no_model_is_refused();
    small_files_do_not_unfold_into_large_ones();
    nesting_is_bounded();
    a_cut_file_is_never_more_than_an_error();
    struct onnx_build b = small_model();
    struct s3e_span file = onnx_file(&b);
    sweep_allocations(read_small, &file);
    onnx_free(&b);
    CHECK(live_allocations() == 0);
    return 0;
}
