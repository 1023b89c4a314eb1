/* nn/model.h - a loaded model: immutable, counted, used by many threads. */
#ifndef S3E_NN_MODEL_H
#define S3E_NN_MODEL_H

#include "base/span.h"
#include "base/status.h"
#include "nn/recipe.h"

enum {
    S3E_MODEL_FILE_MAX = 2000000000, /* bytes */
    S3E_MODEL_DIMS_MAX = 1 << 20     /* floats of a vector */
};

struct s3e_model;

struct s3e_model_options {
    const struct s3e_recipe *recipe; /* required */
    const char *output; /* the tensor that is the vector; NULL: the graph's
                           only output (several: an error that lists them) */
    bool normalize;     /* scale each vector to length 1 */
};

struct s3e_model_info {
    const char *format;               /* "onnx" */
    char sha256[65];                  /* of the file, hex */
    size_t dims;                      /* floats of a vector */
    size_t input_height, input_width; /* pixels */
    struct s3e_recipe recipe;
    bool normalize;
    size_t num_parameters; /* floats of weights */
};

/* Builds a model from the bytes of an ONNX file.
 *
 * out     one reference; NULL on failure, and nothing is left behind.
 * file    read during the call only.
 * sha256  [64] hex digits of the file, NUL-terminated; copied.
 * Errors  S3E_E_FORMAT (broken, an unsupported operator or shape: the node is
 *         named), S3E_E_INPUT (external data: how to export it whole; an
 *         output that is not there; what XNNPACK refuses), S3E_E_LIMIT, S3E_E_NOMEM.
 * Thread  any. */
S3E_MUST_CHECK s3e_rc s3e_model_new(struct s3e_model **out,
    struct s3e_span file, const char *sha256,
    const struct s3e_model_options *options, struct s3e_err *err);
struct s3e_model *s3e_model_ref(struct s3e_model *model);
void s3e_model_unref(struct s3e_model *model); /* NULL is allowed */

const struct s3e_model_info *s3e_model_info(const struct s3e_model *model);

/* Decodes `image`, applies the recipe, runs the network.
 *
 * out     [info.dims] float32, all finite; the caller's.
 * Errors  s3e_image_decode's; S3E_E_INPUT where the network gives NaN or an
 *         infinity, or XNNPACK refuses it; S3E_E_NOMEM.
 * Thread  any, many at once: each call takes an idle session of the model, or
 *         makes one (so there are as many as calls ever ran at once). */
S3E_MUST_CHECK s3e_rc s3e_model_embed(struct s3e_model *model, float *out,
    struct s3e_span image, struct s3e_err *err);

/* Time spent by every model of the process, for s3_stats. */
struct s3e_model_stats {
    uint64_t images, decode_us, infer_us;
};
struct s3e_model_stats s3e_model_stats(void);

/* The embedded default model: new reference; loaded at first use, kept. */
S3E_MUST_CHECK s3e_rc s3e_model_default(
    struct s3e_model **out, struct s3e_err *err);

/* What the XNNPACK of this machine is, for s3embed_debug(). */
void s3e_model_describe(char *out, size_t room);

#endif
