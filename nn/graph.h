/* nn/graph.h - one network of ours: validated, every shape known, its weights
 * in the order that kernels want. Made from an ONNX file, for one image at a
 * time; lower.h turns it into XNNPACK's.
 *
 * Shapes are the model's own (logical, mostly NCHW). In memory pictures are
 * channels last, which one number says: a value with `chan` != 0 is logically
 * [chan, num / chan] and stored transposed, [num / chan, chan]; with 0 it is
 * stored as it is. So reshaping never moves a byte, and a dense layer behind a
 * Flatten takes its weights permuted. */
#ifndef S3E_NN_GRAPH_H
#define S3E_NN_GRAPH_H

#include "base/span.h"
#include "base/status.h"
#include "nn/onnx.h"
#include "nn/shape.h"

#include <stdint.h>

#define S3E_GRAPH_MACS_MAX UINT64_C(2000000000000) /* of one run: minutes */
enum {
    S3E_GRAPH_TAPS_MAX = 1 << 26, /* window positions * window size */
    S3E_PAD_BYTES = 64 /* behind weights and buffers: kernels read on */
};

/* A tensor. Constants (`data` set) exist while the graph is built only. */
struct s3e_value {
    size_t index; /* in graph.values */
    struct s3e_shape shape;
    size_t chan;
    enum s3e_type type;
    const void *data;
    struct s3e_node *maker; /* NULL: the graph's input, or a constant */
    size_t uses;            /* nodes that read it; the graph's output: + 1 */
};

enum s3e_kind {
    S3E_CONV,      /* weights [out, kh, kw, in / groups], bias [out] */
    S3E_DEPTHWISE, /* weights [kh, kw, out], bias [out] */
    S3E_DENSE,     /* in [1, K]; weights [N, K], bias [N]; out [1, N] */
    S3E_AFFINE,    /* in * weights + bias, each [last stored dimension] */
    S3E_CLAMP,     /* to min..max */
    S3E_MAX_POOL,
    S3E_AVERAGE_POOL, /* of what is inside the picture */
    S3E_MEAN,         /* in an image; out [1, C, 1, 1] */
    S3E_PAD,          /* by window.pad rows and columns of alpha */
    S3E_RESHAPE,
    S3E_SOFTMAX, /* over the last stored dimension */
    S3E_ADD,     /* of two values, or of one and `weights` [out] */
    S3E_SUBTRACT,
    S3E_MULTIPLY,
    S3E_DIVIDE,
    S3E_MAXIMUM,
    S3E_MINIMUM,
    S3E_ABS,
    S3E_CEILING,
    S3E_ELU, /* alpha */
    S3E_FLOOR,
    S3E_HARDSWISH,
    S3E_LEAKY_RELU, /* alpha */
    S3E_SIGMOID,
    S3E_SQUARE_ROOT,
    S3E_NUM_KINDS
};

struct s3e_window {
    size_t kernel[2], stride[2], dilation[2]; /* height, width */
    size_t pad[4];                            /* top, left, bottom, right */
};

struct s3e_node {
    enum s3e_kind kind;
    char *name;              /* "Conv '/stem/Conv'"; owned */
    struct s3e_value *in[2]; /* in[1] is NULL for most */
    struct s3e_value *out;
    float min, max;        /* the result is clamped to them; min < max */
    float *weights, *bias; /* owned, S3E_PAD_BYTES readable behind */
    bool constant_first;   /* binary with weights: they are the left operand */
    struct s3e_window window;
    size_t groups;
    float alpha;
};

/* Immutable once made. */
struct s3e_graph {
    struct s3e_value **values;
    struct s3e_node **nodes; /* each after what it reads */
    size_t num_values, num_nodes;
    struct s3e_value *input;  /* [1, 3, H, W] as an image, or [1, H, W, 3] */
    struct s3e_value *output; /* chan says its order in memory */
    size_t num_parameters;    /* floats of the file that it uses */
    uint64_t macs;            /* multiply-accumulates of one run */
};

struct s3e_graph_options {
    size_t height, width; /* pixels of the input */
    const char *output;   /* a tensor by name; NULL: the only graph output */
    size_t max_elements;  /* of a tensor, and of all folded constants;
                             0: S3E_TENSOR_MAX */
};

/* Builds the network that computes the output `options` asks for; what it does
 * not need is not looked at.
 *
 * out     owned by the caller: s3e_graph_free; NULL on failure. Does not
 *         point into `onnx`.
 * Errors  S3E_E_FORMAT (an unsupported operator, wrong shapes, a cycle: the
 *         node is named), S3E_E_INPUT (another image size than the model's; no
 *         such output, or several), S3E_E_LIMIT, S3E_E_NOMEM.
 * Thread  any. */
S3E_MUST_CHECK s3e_rc s3e_graph_new(struct s3e_graph **out,
    const struct s3e_onnx *onnx, const struct s3e_graph_options *options,
    struct s3e_err *err);
void s3e_graph_free(struct s3e_graph *graph); /* NULL is allowed */

/* True where `value` is a picture: [1, C, H, W], stored [1, H, W, C]. */
bool s3e_value_is_image(const struct s3e_value *value);

/* The dimensions as stored; their rank is 1 at least. */
void s3e_value_stored(struct s3e_shape *out, const struct s3e_value *value);

/* Where in memory the element with row-major index `i` is. */
size_t s3e_value_offset(const struct s3e_value *value, size_t i);

void s3e_node_free(struct s3e_node *node);

/* Folds what follows a Conv or Gemm into it: affine steps into its weights,
 * clamps into its bounds; drops nodes that became needless. */
void s3e_graph_fuse(struct s3e_graph *graph);

#endif
