/* nn/default_model.h - the model that is linked into the library: the bytes of
 * models/s3embed_default.onnx and of its recipe. */
#ifndef S3E_NN_DEFAULT_MODEL_H
#define S3E_NN_DEFAULT_MODEL_H

#include "base/span.h"

struct s3e_span s3e_default_model(void);
struct s3e_span s3e_default_recipe(void); /* JSON */

/* [64] hex digits of the model's SHA-256. */
const char *s3e_default_sha256(void);

#endif
