#include "nn/shape.h"

#include <stdio.h>
#include <string.h>

bool s3e_shape_set(struct s3e_shape *out, const size_t *dims, size_t rank)
{
    if (rank > S3E_RANK_MAX) {
        return false;
    }
    struct s3e_shape shape = {.rank = rank, .num = 1};
    for (size_t i = 0; i < rank; i++) {
        if (dims[i] < 1 || dims[i] > S3E_TENSOR_MAX / shape.num) {
            return false;
        }
        shape.dims[i] = dims[i];
        shape.num *= dims[i];
    }
    *out = shape;
    return true;
}

bool s3e_shape_eq(const struct s3e_shape *a, const struct s3e_shape *b)
{
    return a->rank == b->rank &&
           memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) == 0;
}

/* Dimension `i` of `shape` behind enough leading ones to make `rank`. */
static size_t dim_of(const struct s3e_shape *shape, size_t i, size_t rank)
{
    const size_t lead = rank - shape->rank;
    return i < lead ? 1 : shape->dims[i - lead];
}

bool s3e_shape_broadcast(
    struct s3e_shape *out, const struct s3e_shape *a, const struct s3e_shape *b)
{
    const size_t rank = a->rank > b->rank ? a->rank : b->rank;
    size_t dims[S3E_RANK_MAX] = {0};
    for (size_t i = 0; i < rank; i++) {
        const size_t x = dim_of(a, i, rank), y = dim_of(b, i, rank);
        if (x != y && x != 1 && y != 1) {
            return false;
        }
        dims[i] = x == 1 ? y : x;
    }
    return s3e_shape_set(out, dims, rank);
}

void s3e_shape_strides(size_t *strides, const struct s3e_shape *shape)
{
    size_t step = 1;
    for (size_t i = shape->rank; i-- > 0;) {
        strides[i] = step;
        step *= shape->dims[i];
    }
}

void s3e_shape_strides_in(
    size_t *strides, const struct s3e_shape *shape, const struct s3e_shape *out)
{
    size_t step = 1;
    for (size_t i = out->rank; i-- > 0;) {
        const size_t dim = dim_of(shape, i, out->rank);
        strides[i] = dim == 1 ? 0 : step;
        step *= dim;
    }
}

void s3e_shape_step(const struct s3e_shape *shape, size_t *at,
    const size_t *strides, size_t *offset)
{
    for (size_t i = shape->rank; i-- > 0;) {
        *offset += strides[i];
        if (++at[i] < shape->dims[i]) {
            return;
        }
        *offset -= strides[i] * shape->dims[i];
        at[i] = 0;
    }
}

struct s3e_shape_text s3e_shape_print(const struct s3e_shape *shape)
{
    struct s3e_shape_text text = {"scalar"};
    size_t len = 0;
    for (size_t i = 0; i < shape->rank && len < sizeof text.s; i++) {
        const int n = snprintf(text.s + len, sizeof text.s - len, "%s%zu",
            i ? "x" : "", shape->dims[i]);
        len += n > 0 ? (size_t)n : 0;
    }
    return text;
}
