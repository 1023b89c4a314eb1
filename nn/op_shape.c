/* What changes a tensor's shape and not its elements. */
#include "nn/op.h"

/* Identity, and Dropout, which does nothing outside of training. */
s3e_rc s3e_op_same(struct s3e_call *call, struct s3e_err *err)
{
    const struct s3e_value *training = call->in[2];
    if (training && !(training->data && training->type == S3E_I64 &&
                        *(const int64_t *)training->data == 0)) {
        return s3e_fail(err, S3E_E_FORMAT,
            "it is exported for training: export the model in eval mode");
    }
    call->out = call->in[0];
    return S3E_OK;
}

s3e_rc s3e_op_flatten(struct s3e_call *call, struct s3e_err *err)
{
    const struct s3e_shape *from = &call->in[0]->shape;
    const int64_t axis = s3e_attr_int(call, "axis", 1);
    size_t split;
    if (axis == (int64_t)from->rank) {
        split = from->rank;
    } else if (!s3e_axis(&split, axis, from->rank)) {
        return s3e_fail(err, S3E_E_FORMAT, "its axis %lld is not one of %s",
            (long long)axis, s3e_shape_print(from).s);
    }
    size_t outer = 1;
    for (size_t i = 0; i < split; i++) {
        outer *= from->dims[i];
    }
    struct s3e_shape shape;
    if (!s3e_shape_set(&shape, (const size_t[]){outer, from->num / outer}, 2)) {
        return s3e_fail(err, S3E_E_LIMIT, "its result is too large");
    }
    return s3e_relabel(call, &call->out, call->in[0], &shape, err);
}

/* Fills the one -1 of dims, where there is one; 0 where it does not come out
 * even. */
static void fill_free(size_t *dims, size_t num_dims, size_t num, size_t at)
{
    size_t rest = num;
    for (size_t i = 0; i < num_dims; i++) {
        if (i != at && (dims[i] == 0 || rest % dims[i])) {
            return;
        }
        rest /= i == at ? 1 : dims[i];
    }
    dims[at] = rest;
}

s3e_rc s3e_op_reshape(struct s3e_call *call, struct s3e_err *err)
{
    const struct s3e_shape *from = &call->in[0]->shape;
    struct s3e_ints to;
    struct s3e_shape shape;
    size_t dims[S3E_RANK_MAX] = {0}, num_free = 0, at = 0;
    s3e_rc rc = s3e_attr_list(call, &to, "shape", 1, err);
    if (rc) {
        return rc;
    }
    const bool zero_is_zero = s3e_attr_int(call, "allowzero", 0) != 0;
    for (size_t i = 0; i < to.num && i < S3E_RANK_MAX; i++) {
        const int64_t dim = to.ints[i];
        if (dim == -1) {
            num_free++;
            at = i;
        } else if (dim == 0 && !zero_is_zero && i < from->rank) {
            dims[i] = from->dims[i];
        } else {
            dims[i] = dim < 0 ? 0 : (size_t)dim;
        }
    }
    if (num_free == 1 && to.num <= S3E_RANK_MAX) {
        fill_free(dims, to.num, from->num, at);
    }
    if (!s3e_shape_set(&shape, dims, to.num)) {
        return s3e_fail(err, S3E_E_FORMAT,
            "the shape to make of %s is not one, or has more than %d "
            "dimensions",
            s3e_shape_print(from).s, (int)S3E_RANK_MAX);
    }
    return s3e_relabel(call, &call->out, call->in[0], &shape, err);
}

/* Marks the axes of a shape of `rank` that `list` names, each once. */
static s3e_rc read_axes(
    bool *marks, const struct s3e_ints *list, size_t rank, struct s3e_err *err)
{
    for (size_t i = 0; i < list->num; i++) {
        size_t axis;
        if (!s3e_axis(&axis, list->ints[i], rank) || marks[axis]) {
            return s3e_fail(err, S3E_E_FORMAT,
                "its axis %lld is out of bounds, or there twice",
                (long long)list->ints[i]);
        }
        marks[axis] = true;
    }
    return S3E_OK;
}

s3e_rc s3e_op_squeeze(struct s3e_call *call, struct s3e_err *err)
{
    const struct s3e_shape *from = &call->in[0]->shape;
    bool drop[S3E_RANK_MAX] = {false};
    struct s3e_ints axes;
    struct s3e_shape shape;
    size_t dims[S3E_RANK_MAX], rank = 0;
    s3e_rc rc = s3e_attr_list(call, &axes, "axes", 1, err);
    if (!rc) {
        rc = read_axes(drop, &axes, from->rank, err);
    }
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < from->rank; i++) {
        const bool all_of_one = axes.num == 0 && from->dims[i] == 1;
        if (!drop[i] && !all_of_one) {
            dims[rank++] = from->dims[i];
        }
    }
    if (!s3e_shape_set(&shape, dims, rank) || shape.num != from->num) {
        return s3e_fail(err, S3E_E_FORMAT,
            "it drops an axis of %s that is not 1", s3e_shape_print(from).s);
    }
    return s3e_relabel(call, &call->out, call->in[0], &shape, err);
}

s3e_rc s3e_op_unsqueeze(struct s3e_call *call, struct s3e_err *err)
{
    const struct s3e_shape *from = &call->in[0]->shape;
    bool added[S3E_RANK_MAX] = {false};
    struct s3e_ints axes;
    struct s3e_shape shape;
    size_t dims[S3E_RANK_MAX], next = 0;
    s3e_rc rc = s3e_attr_list(call, &axes, "axes", 1, err);
    if (rc) {
        return rc;
    }
    if (axes.num > S3E_RANK_MAX - from->rank) {
        return s3e_fail(err, S3E_E_FORMAT, "it makes more than %d dimensions",
            (int)S3E_RANK_MAX);
    }
    const size_t rank = from->rank + axes.num;
    rc = read_axes(added, &axes, rank, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < rank; i++) {
        dims[i] = added[i] ? 1 : from->dims[next++];
    }
    if (!s3e_shape_set(&shape, dims, rank)) {
        return s3e_fail(err, S3E_E_LIMIT, "its result is too large");
    }
    return s3e_relabel(call, &call->out, call->in[0], &shape, err);
}

static s3e_rc read_perm(
    const struct s3e_call *call, size_t *perm, struct s3e_err *err)
{
    const struct s3e_onnx_attr *attr = s3e_attr(call, "perm");
    const size_t rank = call->in[0]->shape.rank;
    bool seen[S3E_RANK_MAX] = {false};
    if (attr && attr->num != rank) {
        return s3e_fail(err, S3E_E_FORMAT, "its perm has %zu axes for %s",
            attr->num, s3e_shape_print(&call->in[0]->shape).s);
    }
    for (size_t i = 0; i < rank; i++) {
        const int64_t axis = attr ? attr->ints[i] : (int64_t)(rank - 1 - i);
        if (axis < 0 || axis >= (int64_t)rank || seen[axis]) {
            return s3e_fail(err, S3E_E_FORMAT, "its perm is no permutation");
        }
        seen[axis] = true;
        perm[i] = (size_t)axis;
    }
    return S3E_OK;
}

static s3e_rc transpose_constant(struct s3e_call *call, const size_t *perm,
    const struct s3e_shape *shape, struct s3e_err *err)
{
    const struct s3e_value *x = call->in[0];
    const size_t size = s3e_type_size(x->type);
    size_t from_strides[S3E_RANK_MAX], strides[S3E_RANK_MAX];
    size_t at[S3E_RANK_MAX] = {0}, from = 0;
    void *data;
    const s3e_rc rc =
        s3e_make_data(call->build, &data, x->type, shape->num, err);
    if (rc) {
        return rc;
    }
    s3e_shape_strides(from_strides, &x->shape);
    for (size_t i = 0; i < shape->rank; i++) {
        strides[i] = from_strides[perm[i]];
    }
    for (size_t i = 0; i < shape->num; i++) {
        memcpy(
            (char *)data + i * size, (const char *)x->data + from * size, size);
        s3e_shape_step(shape, at, strides, &from);
    }
    return s3e_make_constant(
        call->build, &call->out, x->type, shape, data, err);
}

/* True where reading the axes in the order `a` meets those that are not 1 in
 * the same order as in `b`. */
static bool same_order(
    const size_t *a, const size_t *b, const struct s3e_shape *shape)
{
    size_t k = 0;
    for (size_t i = 0; i < shape->rank; i++) {
        if (shape->dims[a[i]] == 1) {
            continue;
        }
        while (shape->dims[b[k]] == 1) {
            k++;
        }
        if (a[i] != b[k++]) {
            return false;
        }
    }
    return true;
}

/* The result is stored as x is, where one of our two orders says so: between
 * NCHW and NHWC nothing moves. */
static s3e_rc transpose_computed(struct s3e_call *call, const size_t *perm,
    const struct s3e_shape *shape, struct s3e_err *err)
{
    struct s3e_value *x = call->in[0];
    const size_t plain[] = {0, 1, 2, 3, 4, 5}, image[] = {0, 2, 3, 1};
    const size_t turned[] = {perm[0], perm[2], perm[3], perm[1]};
    const size_t *stored = s3e_value_is_image(x) ? image : plain;
    if (s3e_value_is_image(x) || !x->chan) {
        if (same_order(perm, stored, &x->shape)) {
            return s3e_view(call, &call->out, x, shape, 0, err);
        }
        if (shape->rank == 4 && shape->dims[0] == 1 &&
            same_order(turned, stored, &x->shape)) {
            return s3e_view(call, &call->out, x, shape, shape->dims[1], err);
        }
    }
    return s3e_fail(err, S3E_E_FORMAT,
        "transposing %s to %s is not supported: only NCHW and NHWC are",
        s3e_shape_print(&x->shape).s, s3e_shape_print(shape).s);
}

s3e_rc s3e_op_transpose(struct s3e_call *call, struct s3e_err *err)
{
    const struct s3e_value *x = call->in[0];
    size_t perm[S3E_RANK_MAX] = {0}, dims[S3E_RANK_MAX];
    struct s3e_shape shape;
    s3e_rc rc = read_perm(call, perm, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < x->shape.rank; i++) {
        dims[i] = x->shape.dims[perm[i]];
    }
    if (!s3e_shape_set(&shape, dims, x->shape.rank)) {
        return s3e_fail(err, S3E_E_LIMIT, "its result is too large");
    }
    return x->data ? transpose_constant(call, perm, &shape, err)
                   : transpose_computed(call, perm, &shape, err);
}
