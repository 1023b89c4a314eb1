/* nn/onnx.h - an ONNX file as plain data. Its wire format is protobuf; the
 * fields we read are in onnx.proto, the rest is skipped, so that messages nest
 * to a fixed depth. Nothing here says what an operator means: graph.h does.
 *
 * Limits: 2 GB of file, 100,000 nodes, 200,000 tensors, 16 MB + 12 bytes of
 * memory for each byte of the file. */
#ifndef S3E_NN_ONNX_H
#define S3E_NN_ONNX_H

#include "base/span.h"
#include "base/status.h"
#include "nn/shape.h"

enum {
    S3E_ONNX_NODES_MAX = 100000,
    S3E_ONNX_TENSORS_MAX = 200000,
    S3E_ONNX_OPSET_MIN = 7, /* from here on broadcasting is numpy's */
    S3E_ONNX_OPSET_MAX = 26 /* the newest whose operators were read */
};

enum s3e_type {
    S3E_F32, /* float32; float16 and float64 became it */
    S3E_I64, /* int64; int32 and bool became it */
    S3E_TYPE_OTHER
};

/* A constant of the file. `data` is NULL for S3E_TYPE_OTHER. */
struct s3e_onnx_tensor {
    const char *name;
    enum s3e_type type;
    int stored_type; /* TensorProto.DataType */
    struct s3e_shape shape;
    const void *data; /* [shape] float or int64_t, row-major */
};

/* type: i, f, s, t as in AttributeProto, I and F for their lists; '?' else. */
struct s3e_onnx_attr {
    const char *name;
    char type;
    int64_t i;
    float f;
    struct s3e_span s;
    const int64_t *ints;
    const float *floats;
    size_t num; /* of ints or floats */
    const struct s3e_onnx_tensor *t;
};

/* Absent optional inputs and outputs are "". */
struct s3e_onnx_node {
    const char *name, *op, *domain; /* never NULL */
    char **inputs, **outputs;
    size_t num_inputs, num_outputs, num_attrs;
    struct s3e_onnx_attr *attrs;
};

/* A graph input or output. Free dimensions are -1. */
struct s3e_onnx_port {
    const char *name;
    bool has_shape;
    enum s3e_type type;
    size_t rank; /* may be above S3E_RANK_MAX: then dims are not filled */
    int64_t dims[S3E_RANK_MAX];
};

struct s3e_onnx {
    int64_t opset; /* of the default domain */
    struct s3e_onnx_node *nodes;
    struct s3e_onnx_tensor *tensors; /* the initialisers */
    struct s3e_onnx_port *inputs, *outputs;
    size_t num_nodes, num_tensors, num_inputs, num_outputs;
    struct s3e_onnx_parts *parts; /* what the pointers above point into */
};

/* Reads the bytes of an ONNX file.
 *
 * out     owned by the caller: s3e_onnx_deinit; zero state on failure. Does
 *         not point into `file`.
 * Errors  S3E_E_FORMAT (not an ONNX file, cut short, a shape or the sizes of a
 *         constant are wrong), S3E_E_INPUT (its weights are in another file),
 *         S3E_E_LIMIT, S3E_E_NOMEM.
 * Thread  any.
 * Source  https://onnx.ai/onnx/repo-docs/IR.html */
S3E_MUST_CHECK s3e_rc s3e_onnx_read(
    struct s3e_onnx *out, struct s3e_span file, struct s3e_err *err);
void s3e_onnx_deinit(struct s3e_onnx *onnx);

/* Of protobuf-c, "1.4.1", for s3embed_debug(). */
const char *s3e_onnx_version(void);

#endif
