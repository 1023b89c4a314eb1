/* Element by element: binary, unary, clamps; and softmax. */
#include "nn/op.h"

#include <math.h>

/* Integers wrap as the CPU's do; only shapes are computed with them. */
static bool apply_int(int64_t *out, int op, int64_t a, int64_t b)
{
    const uint64_t x = (uint64_t)a, y = (uint64_t)b;
    const bool divides = op == S3E_DIVIDE || op == S3E_OP_MOD;
    if (divides && (b == 0 || (b == -1 && a == INT64_MIN))) {
        return false;
    }
    switch (op) {
    case S3E_ADD:
        *out = (int64_t)(x + y);
        break;
    case S3E_SUBTRACT:
        *out = (int64_t)(x - y);
        break;
    case S3E_MULTIPLY:
        *out = (int64_t)(x * y);
        break;
    case S3E_DIVIDE:
        *out = a / b;
        break;
    case S3E_MAXIMUM:
        *out = a > b ? a : b;
        break;
    case S3E_MINIMUM:
        *out = a < b ? a : b;
        break;
    default: /* Mod takes the sign of b */
        *out = a % b;
        *out += *out && (*out < 0) != (b < 0) ? b : 0;
        break;
    }
    return true;
}

static float apply_float(int op, float a, float b)
{
    switch (op) {
    case S3E_ADD:
        return a + b;
    case S3E_SUBTRACT:
        return a - b;
    case S3E_MULTIPLY:
        return a * b;
    case S3E_DIVIDE:
        return a / b;
    case S3E_MAXIMUM:
        return fmaxf(a, b);
    case S3E_MINIMUM:
        return fminf(a, b);
    default:
        return fmodf(a, b);
    }
}

static s3e_rc fold_binary(
    struct s3e_call *call, const struct s3e_shape *shape, struct s3e_err *err)
{
    const struct s3e_value *a = call->in[0], *b = call->in[1];
    size_t strides_a[S3E_RANK_MAX], strides_b[S3E_RANK_MAX];
    size_t at_a[S3E_RANK_MAX] = {0}, at_b[S3E_RANK_MAX] = {0};
    size_t from_a = 0, from_b = 0;
    void *data;
    s3e_rc rc = s3e_make_data(call->build, &data, a->type, shape->num, err);
    if (rc) {
        return rc;
    }
    s3e_shape_strides_in(strides_a, &a->shape, shape);
    s3e_shape_strides_in(strides_b, &b->shape, shape);
    for (size_t i = 0; i < shape->num; i++) {
        if (a->type == S3E_F32) {
            ((float *)data)[i] =
                apply_float(call->op->arg, ((const float *)a->data)[from_a],
                    ((const float *)b->data)[from_b]);
        } else if (!apply_int((int64_t *)data + i, call->op->arg,
                       ((const int64_t *)a->data)[from_a],
                       ((const int64_t *)b->data)[from_b])) {
            return s3e_fail(err, S3E_E_FORMAT, "it divides by zero");
        }
        s3e_shape_step(shape, at_a, strides_a, &from_a);
        s3e_shape_step(shape, at_b, strides_b, &from_b);
    }
    return s3e_make_constant(
        call->build, &call->out, a->type, shape, data, err);
}

/* x op k with a constant that is a vector along x's last stored dimension;
 * false where that is no affine step: k / x. */
static s3e_rc affine_of(struct s3e_call *call, struct s3e_value *x,
    const struct s3e_value *k, struct s3e_err *err)
{
    const int op = call->op->arg;
    const bool scales = op == S3E_MULTIPLY || op == S3E_DIVIDE;
    const float one = 1.0F, zero = 0.0F, minus = -1.0F;
    struct s3e_factors f = {&one, &zero, 1, 1};
    struct s3e_node *node = NULL;
    const size_t num = k->shape.num;
    void *turned = NULL;
    s3e_rc rc = s3e_make_data(call->build, &turned, S3E_F32, num, err);
    if (rc) {
        return rc;
    }
    const float *from = k->data;
    for (size_t i = 0; i < num; i++) {
        ((float *)turned)[i] = op == S3E_DIVIDE ? 1.0F / from[i]
                               : op == S3E_SUBTRACT && x == call->in[0]
                                   ? -from[i]
                                   : from[i];
    }
    if (scales) {
        f.scale = turned;
        f.num_scale = num;
    } else {
        f.scale = op == S3E_SUBTRACT && x == call->in[1] ? &minus : &one;
        f.shift = turned;
        f.num_shift = num;
    }
    rc = s3e_build_affine(call, &node, x, &f, err);
    if (!rc) {
        call->out = node->out;
    }
    return rc;
}

/* x op k for any constant: k becomes a tensor of the result's shape. */
static s3e_rc with_constant(struct s3e_call *call, struct s3e_value *x,
    const struct s3e_value *k, const struct s3e_shape *shape,
    struct s3e_err *err)
{
    const bool image =
        s3e_value_is_image(x) && shape->rank == 4 && shape->dims[0] == 1;
    if (x->chan && !s3e_shape_eq(shape, &x->shape) && !image) {
        return s3e_fail(err, S3E_E_FORMAT,
            "a constant of %s with an input of %s is not supported",
            s3e_shape_print(&k->shape).s, s3e_shape_print(&x->shape).s);
    }
    const size_t chan = image ? shape->dims[1] : x->chan;
    size_t strides[S3E_RANK_MAX], at[S3E_RANK_MAX] = {0}, from = 0;
    struct s3e_node *node = NULL;
    s3e_rc rc = s3e_take_elements(call->build, shape->num, err);
    if (!rc) {
        rc = s3e_make_node(call, &node, (enum s3e_kind)call->op->arg,
            (struct s3e_value *[2]){x}, shape, chan, err);
    }
    if (!rc) {
        rc = s3e_make_floats(&node->weights, shape->num, err);
    }
    if (rc) {
        return rc;
    }
    s3e_shape_strides_in(strides, &k->shape, shape);
    for (size_t i = 0; i < shape->num; i++) {
        node->weights[s3e_value_offset(node->out, i)] =
            ((const float *)k->data)[from];
        s3e_shape_step(shape, at, strides, &from);
    }
    node->constant_first = x == call->in[1];
    call->out = node->out;
    return S3E_OK;
}

/* Both computed: stored alike, or made so. */
static s3e_rc of_two(
    struct s3e_call *call, const struct s3e_shape *shape, struct s3e_err *err)
{
    struct s3e_value *in[2] = {call->in[0], call->in[1]};
    const bool image[2] = {
        s3e_value_is_image(in[0]), s3e_value_is_image(in[1])};
    struct s3e_node *node = NULL;
    s3e_rc rc = S3E_OK;
    size_t chan = 0;
    if ((image[0] || image[1]) && shape->rank == 4) {
        chan = shape->dims[1];
        for (int i = 0; !rc && i < 2; i++) {
            rc = s3e_as_image(call, &in[i], in[i], err);
        }
    } else if (in[0]->chan == in[1]->chan &&
               s3e_shape_eq(&in[0]->shape, &in[1]->shape)) {
        chan = in[0]->chan;
    } else {
        for (int i = 0; !rc && i < 2; i++) {
            rc = s3e_as_plain(call, &in[i], in[i], err);
        }
    }
    if (!rc) {
        rc = s3e_make_node(
            call, &node, (enum s3e_kind)call->op->arg, in, shape, chan, err);
    }
    if (!rc) {
        call->out = node->out;
    }
    return rc;
}

s3e_rc s3e_op_binary(struct s3e_call *call, struct s3e_err *err)
{
    struct s3e_value *a = call->in[0], *b = call->in[1];
    const int op = call->op->arg;
    struct s3e_shape shape;
    if (a->type != b->type) {
        return s3e_fail(err, S3E_E_FORMAT, "its inputs differ in type");
    }
    if (!s3e_shape_broadcast(&shape, &a->shape, &b->shape)) {
        return s3e_fail(err, S3E_E_FORMAT,
            "its inputs, %s and %s, do not fit each other",
            s3e_shape_print(&a->shape).s, s3e_shape_print(&b->shape).s);
    }
    if (a->data && b->data) {
        return fold_binary(call, &shape, err);
    }
    if (op == S3E_OP_MOD) {
        return s3e_fail(err, S3E_E_FORMAT, "only constants are supported");
    }
    if (!a->data && !b->data) {
        return of_two(call, &shape, err);
    }
    struct s3e_value *x = a->data ? b : a;
    const struct s3e_value *k = a->data ? a : b;
    const bool affine = op == S3E_ADD || op == S3E_SUBTRACT ||
                        op == S3E_MULTIPLY || (op == S3E_DIVIDE && x == a);
    return affine && s3e_is_vector(x, &k->shape)
               ? affine_of(call, x, k, err)
               : with_constant(call, x, k, &shape, err);
}

static float apply_unary(int op, float x)
{
    switch (op) {
    case S3E_ABS:
        return fabsf(x);
    case S3E_CEILING:
        return ceilf(x);
    case S3E_FLOOR:
        return floorf(x);
    case S3E_SQUARE_ROOT:
        return sqrtf(x);
    default: /* S3E_OP_NEG */
        return -x;
    }
}

static s3e_rc fold_unary(struct s3e_call *call, struct s3e_err *err)
{
    const struct s3e_value *x = call->in[0];
    const int op = call->op->arg;
    void *data;
    if (x->type != S3E_F32 ||
        (op != S3E_ABS && op != S3E_CEILING && op != S3E_FLOOR &&
            op != S3E_SQUARE_ROOT && op != S3E_OP_NEG)) {
        return s3e_fail(err, S3E_E_FORMAT,
            "it is applied to a constant, which is not supported");
    }
    const s3e_rc rc =
        s3e_make_data(call->build, &data, S3E_F32, x->shape.num, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < x->shape.num; i++) {
        ((float *)data)[i] = apply_unary(op, ((const float *)x->data)[i]);
    }
    return s3e_make_constant(
        call->build, &call->out, S3E_F32, &x->shape, data, err);
}

s3e_rc s3e_op_unary(struct s3e_call *call, struct s3e_err *err)
{
    struct s3e_value *x = call->in[0];
    const int op = call->op->arg;
    const float minus = -1.0F, zero = 0.0F;
    struct s3e_node *node = NULL;
    if (x->data) {
        return fold_unary(call, err);
    }
    const s3e_rc rc =
        op == S3E_OP_NEG
            ? s3e_build_affine(call, &node, x,
                  &(struct s3e_factors){&minus, &zero, 1, 1}, err)
            : s3e_make_node(call, &node, (enum s3e_kind)op,
                  (struct s3e_value *[2]){x}, &x->shape, x->chan, err);
    if (rc) {
        return rc;
    }
    node->alpha = s3e_attr_float(call, "alpha", op == S3E_ELU ? 1.0F : 0.01F);
    call->out = node->out;
    return isfinite(node->alpha)
               ? S3E_OK
               : s3e_fail(err, S3E_E_FORMAT, "its alpha is not finite");
}

/* A limit of Clip: attribute (opset < 11) or constant input `i`. */
static s3e_rc read_limit(const struct s3e_call *call, float *limit, size_t i,
    const char *name, struct s3e_err *err)
{
    *limit = s3e_attr_float(call, name, *limit);
    if (!call->in[i]) {
        return S3E_OK;
    }
    const s3e_rc rc = s3e_need_constant(call, i, S3E_F32, err);
    if (!rc) {
        *limit = *(const float *)call->in[i]->data;
    }
    return rc;
}

/* NULL where there is no such limit. */
static void clip_floats(
    float *out, const float *x, size_t num, const float *min, const float *max)
{
    for (size_t i = 0; i < num; i++) {
        out[i] = min ? fmaxf(x[i], *min) : x[i];
        out[i] = max ? fminf(out[i], *max) : out[i];
    }
}

static void clip_ints(int64_t *out, const int64_t *x, size_t num,
    const int64_t *min, const int64_t *max)
{
    for (size_t i = 0; i < num; i++) {
        out[i] = min && x[i] < *min ? *min : x[i];
        out[i] = max && out[i] > *max ? *max : out[i];
    }
}

/* Clip of a constant: the limits are of its type, and inputs. */
static s3e_rc fold_clip(struct s3e_call *call, struct s3e_err *err)
{
    const struct s3e_value *x = call->in[0];
    const void *limits[3] = {NULL, NULL, NULL};
    void *data = NULL;
    s3e_rc rc = S3E_OK;
    if (call->op->arg || call->node->num_attrs) {
        return s3e_need_computed(call, 0, err);
    }
    for (size_t i = 1; !rc && i <= 2; i++) {
        if (call->in[i]) {
            rc = s3e_need_constant(call, i, x->type, err);
            limits[i] = call->in[i]->data;
        }
    }
    if (!rc) {
        rc = s3e_make_data(call->build, &data, x->type, x->shape.num, err);
    }
    if (rc) {
        return rc;
    }
    if (x->type == S3E_F32) {
        clip_floats(data, x->data, x->shape.num, limits[1], limits[2]);
    } else {
        clip_ints(data, x->data, x->shape.num, limits[1], limits[2]);
    }
    return s3e_make_constant(
        call->build, &call->out, x->type, &x->shape, data, err);
}

/* Clip, and Relu (arg 1). */
s3e_rc s3e_op_clip(struct s3e_call *call, struct s3e_err *err)
{
    struct s3e_value *x = call->in[0];
    struct s3e_node *node = NULL;
    float min = call->op->arg ? 0.0F : -INFINITY, max = INFINITY;
    if (x->data) {
        return fold_clip(call, err);
    }
    s3e_rc rc = read_limit(call, &min, 1, "min", err);
    if (!rc) {
        rc = read_limit(call, &max, 2, "max", err);
    }
    if (rc) {
        return rc;
    }
    if (!(min < max)) {
        return s3e_fail(err, S3E_E_FORMAT, "its limits are %g and %g",
            (double)min, (double)max);
    }
    if (isinf(min) && isinf(max)) {
        call->out = x;
        return S3E_OK;
    }
    rc = s3e_make_node(call, &node, S3E_CLAMP, (struct s3e_value *[2]){x},
        &x->shape, x->chan, err);
    if (rc) {
        return rc;
    }
    node->min = min;
    node->max = max;
    call->out = node->out;
    return S3E_OK;
}

s3e_rc s3e_op_hard_sigmoid(struct s3e_call *call, struct s3e_err *err)
{
    const float alpha = s3e_attr_float(call, "alpha", 0.2F);
    const float beta = s3e_attr_float(call, "beta", 0.5F);
    struct s3e_node *node = NULL;
    s3e_rc rc = s3e_need_computed(call, 0, err);
    if (!rc) {
        rc = s3e_build_affine(call, &node, call->in[0],
            &(struct s3e_factors){&alpha, &beta, 1, 1}, err);
    }
    if (rc) {
        return rc;
    }
    node->min = 0.0F;
    node->max = 1.0F;
    call->out = node->out;
    return S3E_OK;
}

/* How many elements are normalised together: an axis, or before opset 13 all
 * axes from it on. 0: not those stored last. */
static size_t softmax_group(const struct s3e_call *call, size_t axis)
{
    const struct s3e_value *x = call->in[0];
    const size_t *dims = x->shape.dims;
    size_t group = dims[axis], behind = 1;
    for (size_t i = axis + 1; i < x->shape.rank; i++) {
        behind *= dims[i];
    }
    group *= call->opset < 13 ? behind : 1;
    struct s3e_shape stored;
    s3e_value_stored(&stored, x);
    const bool last = s3e_value_is_image(x)
                          ? axis == 1 && group == dims[1]
                          : !x->chan && behind * dims[axis] == group;
    return group == x->shape.num ||
                   (last && stored.dims[stored.rank - 1] == group)
               ? group
               : 0;
}

s3e_rc s3e_op_softmax(struct s3e_call *call, struct s3e_err *err)
{
    struct s3e_value *x = call->in[0];
    struct s3e_shape row, shape = x->shape;
    struct s3e_node *node = NULL;
    size_t axis, chan = x->chan;
    s3e_rc rc = s3e_need_computed(call, 0, err);
    if (rc) {
        return rc;
    }
    const int64_t none = call->opset < 13 ? 1 : -1;
    const size_t group =
        s3e_axis(&axis, s3e_attr_int(call, "axis", none), shape.rank)
            ? softmax_group(call, axis)
            : 0;
    if (!group || !s3e_shape_set(&row, (const size_t[]){1, shape.num}, 2)) {
        return s3e_fail(err, S3E_E_FORMAT,
            "it is over an axis of %s that is not stored last, which is not "
            "supported",
            s3e_shape_print(&shape).s);
    }
    if (group == shape.num) { /* in whatever order */
        rc = s3e_view(call, &x, x, &row, 0, err);
    }
    if (!rc) {
        rc = s3e_make_node(call, &node, S3E_SOFTMAX, (struct s3e_value *[2]){x},
            &x->shape, x->chan, err);
    }
    if (rc) {
        return rc;
    }
    call->out = node->out;
    return group == shape.num
               ? s3e_view(call, &call->out, node->out, &shape, chan, err)
               : S3E_OK;
}
