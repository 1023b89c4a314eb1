/* tests/net.h - tensors of doubles, slow obvious operators over them, and our
 * own network run on the same numbers, for the tests of nn/. */
#ifndef S3E_TESTS_NET_H
#define S3E_TESTS_NET_H

#include "nn/shape.h"
#include "tests/onnx_build.h"

/* Row-major, as ONNX has it. Tests allocate and forget: net_reset frees. */
struct tensor {
    struct s3e_shape shape;
    double *v;
};

/* A tensor of the dimensions in `dims` ("1,3,8,8"), of zeros; of numbers in
 * -1..1, exact in float32. */
struct tensor net_zeros(const char *dims);
struct tensor net_random(const char *dims);
void net_reset(void); /* frees all tensors; restarts the random numbers */

/* 0 .. below. */
size_t net_below(size_t below);

/* Adds `t` as an initialiser. */
void net_floats(struct onnx_build *b, const char *name, struct tensor t);

/* Runs the model on `x` [1, 3, H, W]; returns its output, flat: [num]. */
struct tensor net_run(struct s3e_span file, struct tensor x);

/* Ends the test unless got and want agree to `tolerance` times the largest
 * number of want. */
void net_same(struct tensor got, struct tensor want, double tolerance);

/* What the model says when it is loaded for 8x8 pictures; "" for nothing. The
 * text is good until the next call. */
const char *net_error(struct onnx_build *b);

/* Ends the test unless the stored shapes of every node agree with what its
 * kernel will read and write, and its weights are all there. */
struct s3e_graph;
void net_check(const struct s3e_graph *graph);

/* How many nodes are left of the model for 8x8 pictures. */
size_t net_nodes(struct onnx_build *b);

#endif
