/* tests/onnx_build.h - writes small ONNX files, byte by byte, for tests. */
#ifndef S3E_TESTS_ONNX_BUILD_H
#define S3E_TESTS_ONNX_BUILD_H

#include "base/buf.h"

struct onnx_build {
    struct s3e_buf graph, file;
    int opset;
};

/* An empty graph of `opset`. onnx_free it. */
struct onnx_build onnx_new(int opset);
void onnx_free(struct onnx_build *b);

/* Dimensions are text: "1,3,8,8"; "N" or any word is a free one, "" a scalar.
 * `type` is a TensorProto.DataType: 1 float, 7 int64, 10 float16... */
void onnx_input(struct onnx_build *b, const char *name, const char *dims);
void onnx_input_of(
    struct onnx_build *b, const char *name, const char *dims, int type);
void onnx_output(struct onnx_build *b, const char *name);

/* Initialisers: float data, int64 data, raw bytes of any type. */
void onnx_floats(struct onnx_build *b, const char *name, const char *dims,
    const float *data);
void onnx_ints(struct onnx_build *b, const char *name, const char *dims,
    const int64_t *data);
void onnx_raw(struct onnx_build *b, const char *name, const char *dims,
    int type, struct s3e_span raw);

/* A node: names and attributes apart by spaces, "-" for an absent input:
 *   onnx_node(b, "Conv", "x w", "y", "group:i=2 pads:I=1,1,1,1 alpha:f=0.5
 *       auto_pad:s=VALID value:t=7:3,4"); the last is an int64 list [2]. */
void onnx_node(struct onnx_build *b, const char *op, const char *inputs,
    const char *outputs, const char *attrs);
void onnx_node_in(struct onnx_build *b, const char *domain, const char *op,
    const char *inputs, const char *outputs, const char *attrs);

/* The file so far; valid until the next call. */
struct s3e_span onnx_file(struct onnx_build *b);

/* Pieces of the wire format, for files that are wrong on purpose. */
void wire_varint(struct s3e_buf *to, uint64_t value);
void wire_int(struct s3e_buf *to, int field, int64_t value);
void wire_bytes(struct s3e_buf *to, int field, struct s3e_span bytes);

#endif
