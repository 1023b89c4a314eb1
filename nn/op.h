/* nn/op.h - what an ONNX operator is to us: a row in the table of op.c, whose
 * `build` checks the node's inputs, infers the shape of its result and adds
 * nodes of graph.h for it, or folds it where its inputs are constants. A new
 * operator is such a function in an op_*.c and its row. */
#ifndef S3E_NN_OP_H
#define S3E_NN_OP_H

#include "nn/graph.h"
#include "nn/onnx.h"

enum { S3E_OP_INPUTS = 8 };

struct s3e_build; /* the graph in the making: build.h */

/* One ONNX node: `build` reads everything but `out`, and sets that to a value
 * made by the functions below, or to one of the inputs. */
struct s3e_call {
    struct s3e_build *build;
    int64_t opset;
    const struct s3e_onnx_node *node;
    const struct s3e_op *op;
    struct s3e_value **in; /* [num_in], then S3E_OP_INPUTS times NULL; NULL
                              where not given */
    size_t num_in;
    struct s3e_value *out;
};

struct s3e_op {
    const char *name;
    const char *attrs; /* "group:i pads:I": all that are known, with types */
    size_t min_in, max_in;
    s3e_rc (*build)(struct s3e_call *call, struct s3e_err *err);
    int arg; /* for a `build` that serves several operators */
};

/* `arg` of operators that no kind of node stands for. */
enum { S3E_OP_MOD = S3E_NUM_KINDS, S3E_OP_NEG };

/* The row of `name`; NULL where there is none. */
const struct s3e_op *s3e_op_find(const char *name);

/* Fails where the node has an attribute that its row does not know: a newer
 * opset may have given the operator another meaning. */
S3E_MUST_CHECK s3e_rc s3e_attr_check(
    const struct s3e_call *call, struct s3e_err *err);

/* Attributes of the node, whose types are known to be right. */
const struct s3e_onnx_attr *s3e_attr(
    const struct s3e_call *call, const char *name);
int64_t s3e_attr_int(
    const struct s3e_call *call, const char *name, int64_t none);
float s3e_attr_float(const struct s3e_call *call, const char *name, float none);
struct s3e_span s3e_attr_text(
    const struct s3e_call *call, const char *name, const char *none);

/* The list `name`, given as an attribute (old opsets) or as constant input `i`
 * (SIZE_MAX: never); ints is NULL where neither is there. */
struct s3e_ints {
    const int64_t *ints;
    size_t num;
};
S3E_MUST_CHECK s3e_rc s3e_attr_list(const struct s3e_call *call,
    struct s3e_ints *out, const char *name, size_t i, struct s3e_err *err);

/* Fails unless input `i` is a constant of `type`, or is not a constant. */
S3E_MUST_CHECK s3e_rc s3e_need_constant(const struct s3e_call *call, size_t i,
    enum s3e_type type, struct s3e_err *err);
S3E_MUST_CHECK s3e_rc s3e_need_computed(
    const struct s3e_call *call, size_t i, struct s3e_err *err);

/* `axis` counted from the end where negative; false where out of bounds. */
bool s3e_axis(size_t *out, int64_t axis, size_t rank);

/* A new constant over `data` [shape], which lives as long as the build. */
S3E_MUST_CHECK s3e_rc s3e_make_constant(struct s3e_build *build,
    struct s3e_value **out, enum s3e_type type, const struct s3e_shape *shape,
    const void *data, struct s3e_err *err);

/* Memory for such data: `num` elements of `type`, to be filled. */
S3E_MUST_CHECK s3e_rc s3e_make_data(struct s3e_build *build, void **out,
    enum s3e_type type, size_t num, struct s3e_err *err);
size_t s3e_type_size(enum s3e_type type); /* bytes of an element */

/* Adds a node of `kind` that reads `in` (and `in1` unless NULL) and computes a
 * new value of `shape` and `chan`. */
S3E_MUST_CHECK s3e_rc s3e_make_node(struct s3e_call *call,
    struct s3e_node **out, enum s3e_kind kind, struct s3e_value *const in[2],
    const struct s3e_shape *shape, size_t chan, struct s3e_err *err);

/* [num] zeroed floats for a node's weights or bias. */
S3E_MUST_CHECK s3e_rc s3e_make_floats(
    float **out, size_t num, struct s3e_err *err);

/* Charges num * each multiplications to a run. */
S3E_MUST_CHECK s3e_rc s3e_take_macs(
    struct s3e_build *build, size_t num, size_t each, struct s3e_err *err);

/* Charges `num` elements that the file does not hold. */
S3E_MUST_CHECK s3e_rc s3e_take_elements(
    struct s3e_build *build, size_t num, struct s3e_err *err);

/* `x` under another shape of as many elements. */
S3E_MUST_CHECK s3e_rc s3e_relabel(struct s3e_call *call, struct s3e_value **out,
    struct s3e_value *x, const struct s3e_shape *shape, struct s3e_err *err);

/* `x` as a picture, or stored as it is; fails where its elements would have to
 * move. */
S3E_MUST_CHECK s3e_rc s3e_as_image(struct s3e_call *call,
    struct s3e_value **out, struct s3e_value *x, struct s3e_err *err);
S3E_MUST_CHECK s3e_rc s3e_as_plain(struct s3e_call *call,
    struct s3e_value **out, struct s3e_value *x, struct s3e_err *err);

/* The same elements stored alike, but seen as `shape` with `chan`. */
S3E_MUST_CHECK s3e_rc s3e_view(struct s3e_call *call, struct s3e_value **out,
    struct s3e_value *x, const struct s3e_shape *shape, size_t chan,
    struct s3e_err *err);

/* True where a constant of `shape` broadcasts to x's and varies along x's last
 * stored dimension only, or not at all. */
bool s3e_is_vector(const struct s3e_value *x, const struct s3e_shape *shape);

/* Adds a node for x * scale + shift; its result is node->out. */
struct s3e_factors {
    const float *scale, *shift;  /* as s3e_is_vector tells */
    size_t num_scale, num_shift; /* 1, or the last stored dimension */
};
S3E_MUST_CHECK s3e_rc s3e_build_affine(struct s3e_call *call,
    struct s3e_node **out, struct s3e_value *x,
    const struct s3e_factors *factors, struct s3e_err *err);

/* Reads strides, dilations, pads and auto_pad for window->kernel over a
 * picture of `in` (height, width); `out` positions fit. `ceil`: a last partial
 * window counts, what it lacks is added to the pads. */
S3E_MUST_CHECK s3e_rc s3e_read_window(const struct s3e_call *call,
    struct s3e_window *window, size_t out[2], const size_t in[2], bool ceil,
    struct s3e_err *err);

/* The `build` functions, by file. op_conv.c: */
s3e_rc s3e_op_conv(struct s3e_call *call, struct s3e_err *err);
/* op_pool.c: */
s3e_rc s3e_op_pool(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_global_pool(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_reduce_mean(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_pad(struct s3e_call *call, struct s3e_err *err);
/* op_dense.c: */
s3e_rc s3e_op_gemm(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_matmul(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_batch_norm(struct s3e_call *call, struct s3e_err *err);
/* op_math.c: */
s3e_rc s3e_op_binary(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_unary(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_clip(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_hard_sigmoid(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_softmax(struct s3e_call *call, struct s3e_err *err);
/* op_shape.c: */
s3e_rc s3e_op_same(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_flatten(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_reshape(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_squeeze(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_unsqueeze(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_transpose(struct s3e_call *call, struct s3e_err *err);
/* op_const.c: what is known when the model is loaded */
s3e_rc s3e_op_constant(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_constant_of_shape(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_shape(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_cast(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_gather(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_concat(struct s3e_call *call, struct s3e_err *err);
s3e_rc s3e_op_slice(struct s3e_call *call, struct s3e_err *err);

#endif
