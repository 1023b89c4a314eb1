/* Gemm and MatMul with constant weights, and BatchNormalization. */
#include "nn/op.h"

#include "base/mem.h"

#include <math.h>

/* x [1, num_in] times weights. */
struct dense {
    struct s3e_value *x;
    const float *weights;
    bool by_output; /* weights are [num_out, num_in], not [num_in, num_out] */
    size_t num_in, num_out;
    float factor;
};

/* Weights as [num_out, num_in], the inputs in the order in which x stores
 * them: behind a Flatten that is channels last. */
static void pack(float *to, const struct dense *d)
{
    for (size_t i = 0; i < d->num_in; i++) {
        const size_t at = s3e_value_offset(d->x, i);
        for (size_t o = 0; o < d->num_out; o++) {
            const size_t from =
                d->by_output ? o * d->num_in + i : i * d->num_out + o;
            to[o * d->num_in + at] = d->factor * d->weights[from];
        }
    }
}

static s3e_rc add_dense(struct s3e_call *call, struct s3e_node **out,
    struct dense *d, struct s3e_err *err)
{
    struct s3e_shape row, result;
    struct s3e_node *node = NULL;
    if (!s3e_shape_set(&row, (const size_t[]){1, d->num_in}, 2) ||
        !s3e_shape_set(&result, (const size_t[]){1, d->num_out}, 2)) {
        return s3e_fail(err, S3E_E_LIMIT, "its input is too large");
    }
    s3e_rc rc = s3e_relabel(call, &d->x, d->x, &row, err);
    if (!rc) {
        rc = s3e_take_macs(call->build, d->num_out, d->num_in, err);
    }
    if (!rc) {
        rc = s3e_make_node(call, &node, S3E_DENSE,
            (struct s3e_value *[2]){d->x}, &result, 0, err);
    }
    if (!rc) {
        rc = s3e_make_floats(&node->weights, d->num_in * d->num_out, err);
    }
    if (!rc) {
        rc = s3e_make_floats(&node->bias, d->num_out, err);
    }
    if (rc) {
        return rc;
    }
    pack(node->weights, d);
    *out = node;
    return S3E_OK;
}

/* Checks that x is one row that the weights fit. */
static s3e_rc read_dense(const struct s3e_call *call, struct dense *d,
    bool by_output, struct s3e_err *err)
{
    s3e_rc rc = s3e_need_computed(call, 0, err);
    if (!rc) {
        rc = s3e_need_constant(call, 1, S3E_F32, err);
    }
    if (rc) {
        return rc;
    }
    const struct s3e_shape *x = &call->in[0]->shape;
    const struct s3e_shape *w = &call->in[1]->shape;
    if (x->rank == 0 || w->rank != 2 || x->dims[x->rank - 1] != x->num ||
        w->dims[by_output] != x->num) {
        return s3e_fail(err, S3E_E_FORMAT,
            "weights of %s do not fit its input, %s, or that is more than one "
            "row, which is not supported",
            s3e_shape_print(w).s, s3e_shape_print(x).s);
    }
    *d = (struct dense){.x = call->in[0],
        .weights = call->in[1]->data,
        .by_output = by_output,
        .num_in = x->num,
        .num_out = w->dims[!by_output],
        .factor = 1.0F};
    return S3E_OK;
}

static s3e_rc add_bias(const struct s3e_call *call, struct s3e_node *node,
    size_t num, struct s3e_err *err)
{
    const float beta = s3e_attr_float(call, "beta", 1.0F);
    const struct s3e_value *bias = call->in[2];
    if (!bias) {
        return S3E_OK;
    }
    const s3e_rc rc = s3e_need_constant(call, 2, S3E_F32, err);
    if (rc) {
        return rc;
    }
    if (!s3e_is_vector(node->out, &bias->shape)) {
        return s3e_fail(err, S3E_E_FORMAT, "its bias is %s for %zu outputs",
            s3e_shape_print(&bias->shape).s, num);
    }
    const float *from = bias->data;
    for (size_t i = 0; i < num; i++) {
        node->bias[i] = beta * from[bias->shape.num == 1 ? 0 : i];
    }
    return S3E_OK;
}

s3e_rc s3e_op_gemm(struct s3e_call *call, struct s3e_err *err)
{
    struct dense d;
    struct s3e_node *node = NULL;
    s3e_rc rc = read_dense(call, &d, s3e_attr_int(call, "transB", 0) != 0, err);
    if (rc) {
        return rc;
    }
    if (d.x->shape.rank != 2 || s3e_attr_int(call, "transA", 0) != 0) {
        return s3e_fail(err, S3E_E_FORMAT, "its input is not one row");
    }
    d.factor = s3e_attr_float(call, "alpha", 1.0F);
    rc = add_dense(call, &node, &d, err);
    if (rc) {
        return rc;
    }
    call->out = node->out;
    return add_bias(call, node, d.num_out, err);
}

s3e_rc s3e_op_matmul(struct s3e_call *call, struct s3e_err *err)
{
    struct dense d;
    struct s3e_node *node = NULL;
    struct s3e_shape shape;
    s3e_rc rc = read_dense(call, &d, false, err);
    if (rc) {
        return rc;
    }
    size_t dims[S3E_RANK_MAX];
    const size_t rank = d.x->shape.rank;
    memcpy(dims, d.x->shape.dims, sizeof dims);
    dims[rank - 1] = d.num_out;
    rc = add_dense(call, &node, &d, err);
    if (rc) {
        return rc;
    }
    return s3e_shape_set(&shape, dims, rank)
               ? s3e_relabel(call, &call->out, node->out, &shape, err)
               : s3e_fail(err, S3E_E_LIMIT, "its result is too large");
}

static s3e_rc check_norm(const struct s3e_call *call, struct s3e_err *err)
{
    const struct s3e_shape *x = &call->in[0]->shape;
    s3e_rc rc = s3e_need_computed(call, 0, err);
    for (size_t i = 1; !rc && i < 5; i++) {
        rc = s3e_need_constant(call, i, S3E_F32, err);
        if (!rc && (x->rank < 2 || call->in[i]->shape.rank != 1 ||
                       call->in[i]->shape.num != x->dims[1])) {
            rc = s3e_fail(err, S3E_E_FORMAT, "its input %zu is %s for %s", i,
                s3e_shape_print(&call->in[i]->shape).s, s3e_shape_print(x).s);
        }
    }
    if (!rc && (s3e_attr_int(call, "training_mode", 0) != 0 ||
                   s3e_attr_int(call, "spatial", 1) != 1)) {
        rc = s3e_fail(err, S3E_E_FORMAT,
            "it is exported for training: export the model in eval mode");
    }
    return rc;
}

s3e_rc s3e_op_batch_norm(struct s3e_call *call, struct s3e_err *err)
{
    struct s3e_value *x = call->in[0];
    struct s3e_node *node = NULL;
    struct s3e_shape along = {0};
    float *factors = NULL;
    s3e_rc rc = check_norm(call, err);
    if (rc) {
        return rc;
    }
    const size_t num = x->shape.dims[1];
    size_t dims[S3E_RANK_MAX] = {num, 1, 1, 1, 1, 1};
    if (!s3e_shape_set(&along, dims, x->shape.rank - 1) ||
        !s3e_is_vector(x, &along)) {
        return s3e_fail(err, S3E_E_FORMAT,
            "it is over %s, which is not supported",
            s3e_shape_print(&x->shape).s);
    }
    rc = s3e_make_floats(&factors, 2 * num, err);
    if (rc) {
        return rc;
    }
    const float *gamma = call->in[1]->data, *beta = call->in[2]->data;
    const float *mean = call->in[3]->data, *variance = call->in[4]->data;
    const double epsilon = (double)s3e_attr_float(call, "epsilon", 1e-5F);
    for (size_t i = 0; i < num; i++) {
        const double scale =
            (double)gamma[i] / sqrt((double)variance[i] + epsilon);
        factors[i] = (float)scale;
        factors[num + i] = (float)((double)beta[i] - scale * (double)mean[i]);
    }
    rc = s3e_build_affine(call, &node, x,
        &(struct s3e_factors){factors, factors + num, num, num}, err);
    if (!rc) {
        call->out = node->out;
    }
    s3e_free(factors);
    return rc;
}
