/* nn/shape.h - the shape of a tensor: every dimension at least 1, the product
 * checked once and carried along. */
#ifndef S3E_NN_SHAPE_H
#define S3E_NN_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    S3E_RANK_MAX = 6,        /* as XNNPACK's */
    S3E_TENSOR_MAX = 1 << 27 /* elements of one tensor */
};

/* Plain data. Rank 0 is a scalar: num 1. */
struct s3e_shape {
    size_t rank;
    size_t dims[S3E_RANK_MAX]; /* outermost first; 0 behind rank */
    size_t num;                /* product of dims: 1..S3E_TENSOR_MAX */
};

/* Fills `out` from dims [rank]; false where the rank, a dimension or the
 * product is out of its bounds. */
bool s3e_shape_set(struct s3e_shape *out, const size_t *dims, size_t rank);

bool s3e_shape_eq(const struct s3e_shape *a, const struct s3e_shape *b);

/* The shape of a binary operation by numpy's rules; false where there is
 * none. */
bool s3e_shape_broadcast(struct s3e_shape *out, const struct s3e_shape *a,
    const struct s3e_shape *b);

/* Elements between neighbours of each axis [rank], in row-major order. */
void s3e_shape_strides(size_t *strides, const struct s3e_shape *shape);

/* For each axis of `out` the stride by which to read a tensor of `shape` that
 * is broadcast to it: 0 where it repeats. */
void s3e_shape_strides_in(size_t *strides, const struct s3e_shape *shape,
    const struct s3e_shape *out);

/* One step of a walk over `shape` in row-major order: moves `at` [rank] on and
 * keeps `*offset` = sum of at * strides. After the last it is back at 0. */
void s3e_shape_step(const struct s3e_shape *shape, size_t *at,
    const size_t *strides, size_t *offset);

/* "1x3x224x224", "scalar". */
struct s3e_shape_text {
    char s[S3E_RANK_MAX * 11 + 1];
};
struct s3e_shape_text s3e_shape_print(const struct s3e_shape *shape);

#endif
