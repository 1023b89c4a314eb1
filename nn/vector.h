/* nn/vector.h - vectors as they are stored: packed float32, little-endian, at
 * any address; their distances, and their text. */
#ifndef S3E_NN_VECTOR_H
#define S3E_NN_VECTOR_H

#include "base/buf.h"
#include "base/span.h"
#include "base/status.h"

/* Smaller is nearer, for all three. */
enum s3e_metric {
    S3E_METRIC_COSINE, /* 1 - cosine, 0..2; 1 where a vector is all zeros */
    S3E_METRIC_L2,     /* Euclidean, not squared */
    S3E_METRIC_DOT     /* -(a . b) */
};

/* S3E_OK where `v` is a vector: not empty, whole floats, all finite. Errors:
 * S3E_E_INPUT, which names the first element that is not. */
S3E_MUST_CHECK s3e_rc s3e_vector_check(struct s3e_span v, struct s3e_err *err);

/* The distance of `a` and `b`, which have the same length: summed in doubles in
 * an order that depends on the length alone, so the same on every machine.
 *
 * out     finite; unspecified on failure.
 * Errors  S3E_E_INPUT (either is no vector, the lengths differ).
 * Thread  any. */
S3E_MUST_CHECK s3e_rc s3e_vector_distance(double *out, enum s3e_metric metric,
    struct s3e_span a, struct s3e_span b, struct s3e_err *err);

/* Appends the elements of the vector `v`, comma between them, each with the
 * fewest of 6 to 9 digits that read back as the same float32. */
void s3e_vector_write(struct s3e_buf *text, struct s3e_span v);

#endif
