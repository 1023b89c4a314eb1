#include "nn/op.h"

#include <math.h>

/* In order of name. */
static const struct s3e_op g_ops[] = {
    {"Abs", "", 1, 1, s3e_op_unary, S3E_ABS},
    {"Add", "", 2, 2, s3e_op_binary, S3E_ADD},
    {"AveragePool",
        "auto_pad:s ceil_mode:i count_include_pad:i dilations:I kernel_shape:I "
        "pads:I strides:I",
        1, 1, s3e_op_pool, S3E_AVERAGE_POOL},
    {"BatchNormalization", "epsilon:f momentum:f spatial:i training_mode:i", 5,
        5, s3e_op_batch_norm, 0},
    {"Cast", "to:i saturate:i round_mode:s", 1, 1, s3e_op_cast, 0},
    {"Ceil", "", 1, 1, s3e_op_unary, S3E_CEILING},
    {"Clip", "min:f max:f", 1, 3, s3e_op_clip, 0},
    {"Concat", "axis:i", 1, 64, s3e_op_concat, 0},
    {"Constant",
        "value:t value_float:f value_floats:F value_int:i value_ints:I", 0, 0,
        s3e_op_constant, 0},
    {"ConstantOfShape", "value:t", 1, 1, s3e_op_constant_of_shape, 0},
    {"Conv", "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I",
        2, 3, s3e_op_conv, 0},
    {"Div", "", 2, 2, s3e_op_binary, S3E_DIVIDE},
    {"Dropout", "ratio:f seed:i", 1, 3, s3e_op_same, 0},
    {"Elu", "alpha:f", 1, 1, s3e_op_unary, S3E_ELU},
    {"Flatten", "axis:i", 1, 1, s3e_op_flatten, 0},
    {"Floor", "", 1, 1, s3e_op_unary, S3E_FLOOR},
    {"Gather", "axis:i", 2, 2, s3e_op_gather, 0},
    {"Gemm", "alpha:f beta:f transA:i transB:i", 2, 3, s3e_op_gemm, 0},
    {"GlobalAveragePool", "", 1, 1, s3e_op_global_pool, 0},
    {"HardSigmoid", "alpha:f beta:f", 1, 1, s3e_op_hard_sigmoid, 0},
    {"HardSwish", "", 1, 1, s3e_op_unary, S3E_HARDSWISH},
    {"Identity", "", 1, 1, s3e_op_same, 0},
    {"LeakyRelu", "alpha:f", 1, 1, s3e_op_unary, S3E_LEAKY_RELU},
    {"MatMul", "", 2, 2, s3e_op_matmul, 0},
    {"Max", "", 2, 2, s3e_op_binary, S3E_MAXIMUM},
    {"MaxPool",
        "auto_pad:s ceil_mode:i dilations:I kernel_shape:I pads:I "
        "storage_order:i strides:I",
        1, 1, s3e_op_pool, S3E_MAX_POOL},
    {"Min", "", 2, 2, s3e_op_binary, S3E_MINIMUM},
    {"Mod", "fmod:i", 2, 2, s3e_op_binary, S3E_OP_MOD},
    {"Mul", "", 2, 2, s3e_op_binary, S3E_MULTIPLY},
    {"Neg", "", 1, 1, s3e_op_unary, S3E_OP_NEG},
    {"Pad", "mode:s pads:I value:f", 1, 4, s3e_op_pad, 0},
    {"ReduceMean", "axes:I keepdims:i noop_with_empty_axes:i", 1, 2,
        s3e_op_reduce_mean, 0},
    {"Relu", "", 1, 1, s3e_op_clip, 1},
    {"Reshape", "allowzero:i", 2, 2, s3e_op_reshape, 0},
    {"Shape", "start:i end:i", 1, 1, s3e_op_shape, 0},
    {"Sigmoid", "", 1, 1, s3e_op_unary, S3E_SIGMOID},
    {"Slice", "axes:I starts:I ends:I", 1, 5, s3e_op_slice, 0},
    {"Softmax", "axis:i", 1, 1, s3e_op_softmax, 0},
    {"Sqrt", "", 1, 1, s3e_op_unary, S3E_SQUARE_ROOT},
    {"Squeeze", "axes:I", 1, 2, s3e_op_squeeze, 0},
    {"Sub", "", 2, 2, s3e_op_binary, S3E_SUBTRACT},
    {"Transpose", "perm:I", 1, 1, s3e_op_transpose, 0},
    {"Unsqueeze", "axes:I", 1, 2, s3e_op_unsqueeze, 0},
};

const struct s3e_op *s3e_op_find(const char *name)
{
    for (size_t i = 0; i < sizeof g_ops / sizeof *g_ops; i++) {
        if (strcmp(g_ops[i].name, name) == 0) {
            return &g_ops[i];
        }
    }
    return NULL;
}

/* The type letter that the list of the row gives `name`; 0: not in it. */
static char type_in(const char *list, const char *name)
{
    const size_t len = strlen(name);
    for (const char *at = list; len && (at = strstr(at, name)) != NULL; at++) {
        if ((at == list || at[-1] == ' ') && at[len] == ':') {
            return at[len + 1];
        }
    }
    return 0;
}

s3e_rc s3e_attr_check(const struct s3e_call *call, struct s3e_err *err)
{
    for (size_t i = 0; i < call->node->num_attrs; i++) {
        const struct s3e_onnx_attr *attr = &call->node->attrs[i];
        const char type = type_in(call->op->attrs, attr->name);
        if (!type) {
            return s3e_fail(err, S3E_E_FORMAT,
                "its attribute '%s' (opset %lld) is not supported", attr->name,
                (long long)call->opset);
        }
        if (type != attr->type) {
            return s3e_fail(err, S3E_E_FORMAT,
                "its attribute '%s' is of a wrong type", attr->name);
        }
    }
    return S3E_OK;
}

const struct s3e_onnx_attr *s3e_attr(
    const struct s3e_call *call, const char *name)
{
    for (size_t i = 0; i < call->node->num_attrs; i++) {
        if (strcmp(call->node->attrs[i].name, name) == 0) {
            return &call->node->attrs[i];
        }
    }
    return NULL;
}

int64_t s3e_attr_int(
    const struct s3e_call *call, const char *name, int64_t none)
{
    const struct s3e_onnx_attr *attr = s3e_attr(call, name);
    return attr ? attr->i : none;
}

float s3e_attr_float(const struct s3e_call *call, const char *name, float none)
{
    const struct s3e_onnx_attr *attr = s3e_attr(call, name);
    return attr ? attr->f : none;
}

struct s3e_span s3e_attr_text(
    const struct s3e_call *call, const char *name, const char *none)
{
    const struct s3e_onnx_attr *attr = s3e_attr(call, name);
    return attr ? attr->s : s3e_span_str(none);
}

s3e_rc s3e_attr_list(const struct s3e_call *call, struct s3e_ints *out,
    const char *name, size_t i, struct s3e_err *err)
{
    const struct s3e_onnx_attr *attr = s3e_attr(call, name);
    *out = (struct s3e_ints){NULL, 0};
    if (attr) {
        *out = (struct s3e_ints){attr->ints, attr->num};
    } else if (i < call->num_in && call->in[i]) {
        const s3e_rc rc = s3e_need_constant(call, i, S3E_I64, err);
        if (rc) {
            return rc;
        }
        *out = (struct s3e_ints){call->in[i]->data, call->in[i]->shape.num};
    }
    return S3E_OK;
}

s3e_rc s3e_need_constant(const struct s3e_call *call, size_t i,
    enum s3e_type type, struct s3e_err *err)
{
    const struct s3e_value *x = call->in[i];
    if (!x->data) {
        return s3e_fail(err, S3E_E_FORMAT,
            "its input %zu, '%s', has to be a constant", i,
            call->node->inputs[i]);
    }
    if (x->type != type) {
        return s3e_fail(err, S3E_E_FORMAT, "its input %zu, '%s', is not %s", i,
            call->node->inputs[i], type == S3E_F32 ? "float" : "integer");
    }
    return S3E_OK;
}

s3e_rc s3e_need_computed(
    const struct s3e_call *call, size_t i, struct s3e_err *err)
{
    if (call->in[i]->data) {
        return s3e_fail(err, S3E_E_FORMAT,
            "its input %zu, '%s', is a constant, which is not supported", i,
            call->node->inputs[i]);
    }
    return S3E_OK;
}

bool s3e_axis(size_t *out, int64_t axis, size_t rank)
{
    const int64_t r = (int64_t)rank;
    if (axis < -r || axis >= r) {
        return false;
    }
    *out = (size_t)(axis < 0 ? axis + r : axis);
    return true;
}
