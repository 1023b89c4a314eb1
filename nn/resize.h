/* nn/resize.h - Pillow's Image.resize, pixel for pixel. */
#ifndef S3E_NN_RESIZE_H
#define S3E_NN_RESIZE_H

#include "nn/recipe.h"

enum {
    S3E_RESIZE_SIDE_MAX = 1 << 28,   /* pixels of the whole result */
    S3E_RESIZE_BYTES_MAX = 512 << 20 /* between the two passes */
};

/* An image resized, and the part of the result that is wanted: only that is
 * computed, and it is what cutting it out afterwards would give. */
struct s3e_resize {
    enum s3e_filter filter;
    size_t height, width; /* pixels of the whole result,
                             1..S3E_RESIZE_SIDE_MAX */
    size_t top, left;     /* the part: its first row and column, */
    size_t rows, cols;    /* its size; it lies inside the whole */
};

/* Resizes `img`.
 *
 * out     [rows, cols, 3] uint8, `stride` bytes from row to row (at least
 *         3 * cols); the caller's; unspecified on failure.
 * Errors  S3E_E_NOMEM, S3E_E_LIMIT (a very large image made very large).
 * Thread  any.
 * Source  Pillow's Image.resize(size, BILINEAR | BICUBIC): antialiased, two
 *         passes (across, then down), each rounded to 8 bits, with weights of
 *         22 fractional bits. Equal on every pixel to Pillow 13; see
 *         down_first in resize.c for where older ones differ. */
S3E_MUST_CHECK s3e_rc s3e_resize_run(const struct s3e_resize *job, uint8_t *out,
    size_t stride, const struct s3e_image *img, struct s3e_err *err);

#endif
