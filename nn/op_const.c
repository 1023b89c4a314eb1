/* What is known when a model is loaded: constants, and the arithmetic on
 * shapes that exporters leave behind. */
#include "nn/op.h"

#include <math.h>

/* A new constant of `type` and `shape`; its elements are for the caller. */
static s3e_rc fresh(struct s3e_call *call, void **data, enum s3e_type type,
    const struct s3e_shape *shape, struct s3e_err *err)
{
    const s3e_rc rc = s3e_make_data(call->build, data, type, shape->num, err);
    return rc ? rc
              : s3e_make_constant(
                    call->build, &call->out, type, shape, *data, err);
}

static s3e_rc fresh_list(struct s3e_call *call, void **data, enum s3e_type type,
    size_t num, bool scalar, struct s3e_err *err)
{
    struct s3e_shape shape;
    if (!s3e_shape_set(&shape, &num, scalar ? 0 : 1)) {
        return s3e_fail(err, S3E_E_FORMAT,
            "a constant of %zu elements is not supported", num);
    }
    return fresh(call, data, type, &shape, err);
}

s3e_rc s3e_op_constant(struct s3e_call *call, struct s3e_err *err)
{
    if (call->node->num_attrs != 1) {
        return s3e_fail(
            err, S3E_E_FORMAT, "it has %zu attributes", call->node->num_attrs);
    }
    const struct s3e_onnx_attr *attr = &call->node->attrs[0];
    if (attr->type == 't') {
        const struct s3e_onnx_tensor *t = attr->t;
        return t->data ? s3e_make_constant(call->build, &call->out, t->type,
                             &t->shape, t->data, err)
                       : s3e_fail(err, S3E_E_FORMAT,
                             "its tensor is empty, or of a type (%d) that is "
                             "not supported",
                             t->stored_type);
    }
    const bool real = attr->type == 'f' || attr->type == 'F';
    const bool scalar = attr->type == 'f' || attr->type == 'i';
    const size_t num = scalar ? 1 : attr->num;
    void *data;
    const s3e_rc rc =
        fresh_list(call, &data, real ? S3E_F32 : S3E_I64, num, scalar, err);
    if (rc) {
        return rc;
    }
    const void *from = real ? (scalar ? &attr->f : attr->floats)
                            : (const void *)(scalar ? &attr->i : attr->ints);
    memcpy(data, from, num * s3e_type_size(real ? S3E_F32 : S3E_I64));
    return S3E_OK;
}

s3e_rc s3e_op_constant_of_shape(struct s3e_call *call, struct s3e_err *err)
{
    const struct s3e_onnx_attr *attr = s3e_attr(call, "value");
    const struct s3e_onnx_tensor *t = attr ? attr->t : NULL;
    const float zero = 0.0F;
    struct s3e_ints to;
    struct s3e_shape shape;
    size_t dims[S3E_RANK_MAX];
    void *data;
    s3e_rc rc = s3e_attr_list(call, &to, "shape", 0, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < to.num && i < S3E_RANK_MAX; i++) {
        dims[i] = to.ints[i] < 0 ? 0 : (size_t)to.ints[i];
    }
    if ((t && (!t->data || t->shape.num != 1)) ||
        !s3e_shape_set(&shape, dims, to.num)) {
        return s3e_fail(err, S3E_E_FORMAT, "its shape or value is not one");
    }
    const enum s3e_type type = t ? t->type : S3E_F32;
    rc = fresh(call, &data, type, &shape, err);
    for (size_t i = 0; !rc && i < shape.num; i++) {
        memcpy((char *)data + i * s3e_type_size(type), t ? t->data : &zero,
            s3e_type_size(type));
    }
    return rc;
}

/* `at` as Slice and Shape count it: from the end where negative, cut to
 * 0..len. */
static size_t clip_index(int64_t at, size_t len)
{
    const int64_t n = (int64_t)len;
    const int64_t from_start = at < 0 && at >= -n ? at + n : at;
    return (size_t)(from_start < 0 ? 0 : from_start > n ? n : from_start);
}

s3e_rc s3e_op_shape(struct s3e_call *call, struct s3e_err *err)
{
    const struct s3e_shape *x = &call->in[0]->shape;
    const size_t start = clip_index(s3e_attr_int(call, "start", 0), x->rank);
    const size_t end =
        clip_index(s3e_attr_int(call, "end", (int64_t)x->rank), x->rank);
    void *data;
    const size_t num = end > start ? end - start : 0;
    const s3e_rc rc = fresh_list(call, &data, S3E_I64, num, false, err);
    for (size_t i = 0; !rc && i < num; i++) {
        ((int64_t *)data)[i] = (int64_t)x->dims[start + i];
    }
    return rc;
}

/* The type that TensorProto.DataType number `to` is to us. */
static enum s3e_type cast_type(int64_t to)
{
    switch (to) {
    case 1:  /* float */
    case 10: /* float16 */
    case 11: /* double */
        return S3E_F32;
    case 6: /* int32 */
    case 7: /* int64 */
        return S3E_I64;
    default:
        return S3E_TYPE_OTHER;
    }
}

static s3e_rc cast_constant(
    struct s3e_call *call, enum s3e_type type, struct s3e_err *err)
{
    const struct s3e_value *x = call->in[0];
    void *data;
    s3e_rc rc = fresh(call, &data, type, &x->shape, err);
    for (size_t i = 0; !rc && i < x->shape.num; i++) {
        if (type == S3E_F32) {
            ((float *)data)[i] = (float)((const int64_t *)x->data)[i];
            continue;
        }
        const float f = ((const float *)x->data)[i];
        if (!(fabsf(f) < 9e18F)) {
            return s3e_fail(err, S3E_E_FORMAT, "%g is no integer", (double)f);
        }
        ((int64_t *)data)[i] = (int64_t)f;
    }
    return rc;
}

s3e_rc s3e_op_cast(struct s3e_call *call, struct s3e_err *err)
{
    struct s3e_value *x = call->in[0];
    const int64_t to = s3e_attr_int(call, "to", 0);
    const enum s3e_type type = cast_type(to);
    if (type == x->type) {
        call->out = x;
        return S3E_OK;
    }
    if (type == S3E_TYPE_OTHER || !x->data) {
        return s3e_fail(err, S3E_E_FORMAT,
            "a cast to type %lld is not supported here", (long long)to);
    }
    return cast_constant(call, type, err);
}

/* The shape of data with `axis` replaced by the axes of `index`. */
static bool gather_shape(struct s3e_shape *out, const struct s3e_shape *data,
    const struct s3e_shape *index, size_t axis)
{
    size_t dims[2 * S3E_RANK_MAX], rank = 0;
    for (size_t i = 0; i < data->rank; i++) {
        if (i != axis) {
            dims[rank++] = data->dims[i];
            continue;
        }
        for (size_t k = 0; k < index->rank; k++) {
            dims[rank++] = index->dims[k];
        }
    }
    return s3e_shape_set(out, dims, rank);
}

s3e_rc s3e_op_gather(struct s3e_call *call, struct s3e_err *err)
{
    const struct s3e_value *x = call->in[0], *index = call->in[1];
    struct s3e_shape shape;
    size_t axis;
    void *data;
    s3e_rc rc = s3e_need_constant(call, 1, S3E_I64, err);
    if (!rc) {
        rc = s3e_need_constant(call, 0, x->type, err);
    }
    if (rc) {
        return rc;
    }
    if (!s3e_axis(&axis, s3e_attr_int(call, "axis", 0), x->shape.rank) ||
        !gather_shape(&shape, &x->shape, &index->shape, axis)) {
        return s3e_fail(err, S3E_E_FORMAT, "its axis or shapes do not fit");
    }
    rc = fresh(call, &data, x->type, &shape, err);
    size_t inner = s3e_type_size(x->type); /* bytes behind one index */
    for (size_t i = axis + 1; i < x->shape.rank; i++) {
        inner *= x->shape.dims[i];
    }
    const size_t len = x->shape.dims[axis], num = index->shape.num;
    const size_t outer = shape.num * s3e_type_size(x->type) / inner / num;
    for (size_t i = 0; !rc && i < outer * num; i++) {
        const int64_t at = ((const int64_t *)index->data)[i % num];
        size_t from;
        if (!s3e_axis(&from, at, len)) {
            return s3e_fail(err, S3E_E_FORMAT,
                "its index %lld is not below %zu", (long long)at, len);
        }
        memcpy((char *)data + i * inner,
            (const char *)x->data + (i / num * len + from) * inner, inner);
    }
    return rc;
}

static s3e_rc concat_shape(const struct s3e_call *call, struct s3e_shape *out,
    size_t *axis_out, struct s3e_err *err)
{
    const struct s3e_value *first = call->in[0];
    size_t dims[S3E_RANK_MAX], axis = 0, sum = 0;
    bool ok = s3e_axis(
        &axis, s3e_attr_int(call, "axis", S3E_RANK_MAX), first->shape.rank);
    for (size_t i = 0; ok && i < call->num_in; i++) {
        const struct s3e_value *x = call->in[i];
        if (!x || !x->data) {
            return s3e_fail(err, S3E_E_FORMAT,
                "joining computed tensors is not supported yet");
        }
        struct s3e_shape shape = x->shape;
        sum += ok ? shape.dims[axis] : 0;
        shape.dims[axis] = first->shape.dims[axis];
        ok = x->type == first->type && s3e_shape_eq(&shape, &first->shape);
    }
    memcpy(dims, first->shape.dims, sizeof dims);
    dims[axis] = sum;
    *axis_out = axis;
    return ok && s3e_shape_set(out, dims, first->shape.rank)
               ? S3E_OK
               : s3e_fail(err, S3E_E_FORMAT, "its inputs or axis do not fit");
}

s3e_rc s3e_op_concat(struct s3e_call *call, struct s3e_err *err)
{
    struct s3e_shape shape;
    size_t axis = 0, strides[S3E_RANK_MAX];
    void *data;
    s3e_rc rc = concat_shape(call, &shape, &axis, err);
    if (!rc) {
        rc = fresh(call, &data, call->in[0]->type, &shape, err);
    }
    if (rc) {
        return rc;
    }
    s3e_shape_strides(strides, &shape);
    const size_t size = s3e_type_size(call->in[0]->type);
    const size_t row = strides[axis] * shape.dims[axis] * size;
    char *to = data;
    for (size_t i = 0; i < call->num_in; i++) {
        const struct s3e_value *x = call->in[i];
        const size_t part = strides[axis] * x->shape.dims[axis] * size;
        for (size_t k = 0; k * row < shape.num * size; k++) {
            memcpy(to + k * row, (const char *)x->data + k * part, part);
        }
        to += part;
    }
    return S3E_OK;
}

/* From each axis `count` elements, `start` and `step` apart. */
struct slice {
    size_t start[S3E_RANK_MAX], count[S3E_RANK_MAX];
    int64_t step[S3E_RANK_MAX];
};

static bool slice_axis(struct slice *s, size_t axis, size_t len, int64_t start,
    int64_t end, int64_t step)
{
    if (step == 0 || step == INT64_MIN) {
        return false;
    }
    const size_t first = clip_index(start, len), last = clip_index(end, len);
    const uint64_t stride = (uint64_t)(step < 0 ? -step : step);
    if (step > 0) {
        s->count[axis] =
            first < last ? (size_t)((last - first - 1) / stride + 1) : 0;
        s->start[axis] = first;
    } else {
        /* Walking down, an end before the start of the axis means all. */
        const int64_t n = (int64_t)len;
        const size_t top = first < len ? first : len - 1;
        const size_t low = end < -n ? 0 : last + 1;
        s->count[axis] =
            start >= -n && top >= low ? (size_t)((top - low) / stride + 1) : 0;
        s->start[axis] = top;
    }
    s->step[axis] = step;
    return s->count[axis] > 0;
}

static s3e_rc read_slice(
    const struct s3e_call *call, struct slice *s, struct s3e_err *err)
{
    const struct s3e_shape *x = &call->in[0]->shape;
    struct s3e_ints starts, ends, axes, steps;
    s3e_rc rc = s3e_attr_list(call, &starts, "starts", 1, err);
    if (!rc) {
        rc = s3e_attr_list(call, &ends, "ends", 2, err);
    }
    if (!rc) {
        rc = s3e_attr_list(call, &axes, "axes", 3, err);
    }
    if (!rc) {
        rc = s3e_attr_list(call, &steps, "steps", 4, err);
    }
    if (rc) {
        return rc;
    }
    bool ok = starts.num == ends.num && starts.num <= x->rank &&
              (!axes.ints || axes.num == starts.num) &&
              (!steps.ints || steps.num == starts.num);
    for (size_t i = 0; i < x->rank; i++) {
        s->start[i] = 0;
        s->count[i] = x->dims[i];
        s->step[i] = 1;
    }
    for (size_t i = 0; ok && i < starts.num; i++) {
        size_t axis = 0;
        ok = s3e_axis(&axis, axes.ints ? axes.ints[i] : (int64_t)i, x->rank) &&
             slice_axis(s, axis, x->dims[axis], starts.ints[i], ends.ints[i],
                 steps.ints ? steps.ints[i] : 1);
    }
    return ok ? S3E_OK
              : s3e_fail(err, S3E_E_FORMAT,
                    "its bounds are wrong, or leave nothing of %s",
                    s3e_shape_print(x).s);
}

s3e_rc s3e_op_slice(struct s3e_call *call, struct s3e_err *err)
{
    struct s3e_value *x = call->in[0];
    struct slice s = {{0}, {0}, {0}};
    struct s3e_shape shape;
    size_t strides[S3E_RANK_MAX], at[S3E_RANK_MAX] = {0};
    void *data;
    s3e_rc rc = read_slice(call, &s, err);
    if (rc) {
        return rc;
    }
    if (!s3e_shape_set(&shape, s.count, x->shape.rank)) {
        return s3e_fail(err, S3E_E_LIMIT, "its result is too large");
    }
    if (!x->data) {
        call->out = x; /* right if all is left, in order */
        for (size_t i = 0; i < shape.rank; i++) {
            rc = s.step[i] == 1 && shape.dims[i] == x->shape.dims[i]
                     ? rc
                     : S3E_E_FORMAT;
        }
        return rc ? s3e_fail(err, rc,
                        "cutting computed tensors is not supported yet")
                  : S3E_OK;
    }
    rc = fresh(call, &data, x->type, &shape, err);
    s3e_shape_strides(strides, &x->shape);
    const size_t size = s3e_type_size(x->type);
    const size_t none[S3E_RANK_MAX] = {0};
    for (size_t i = 0, unused = 0; !rc && i < shape.num; i++) {
        size_t from = 0;
        for (size_t k = 0; k < shape.rank; k++) {
            from += strides[k] *
                    (s.start[k] + (size_t)(s.step[k] * (int64_t)at[k]));
        }
        memcpy(
            (char *)data + i * size, (const char *)x->data + from * size, size);
        s3e_shape_step(&shape, at, none, &unused);
    }
    return rc;
}
