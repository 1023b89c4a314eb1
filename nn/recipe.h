/* nn/recipe.h - what a model wants done to an image, as data: read from the
 * JSON that people already have beside a model, done to pixels. */
#ifndef S3E_NN_RECIPE_H
#define S3E_NN_RECIPE_H

#include "base/buf.h"
#include "nn/image.h"

enum {
    S3E_RECIPE_SIDE_MAX = 4096,   /* pixels, of any size in a recipe */
    S3E_RECIPE_JSON_MAX = 4 << 20 /* bytes */
};

enum s3e_filter { S3E_FILTER_BILINEAR, S3E_FILTER_BICUBIC };

/* In order: resize, centre crop, scale, normalise. Plain data. */
struct s3e_recipe {
    enum s3e_filter filter;
    size_t resize_height, resize_width; /* pixels; 0, 0: no resize */
    size_t resize_shorter; /* pixels of the shorter side, ratio kept; 0: the
                               two above */
    size_t crop_height, crop_width; /* pixels, centre; 0, 0: no crop. Padded
                                       with black where the image is smaller */
    bool torch_crop; /* half an odd margin is rounded as torchvision does (to
                        even; padding down), else as transformers does */
    float scale;     /* usually 1/255 */
    float mean[3];   /* (v * scale - mean) / std, per channel R G B */
    float std[3];    /* > 0 */
};

/* Reads a recipe from `json`: the keys of a Hugging Face
 * preprocessor_config.json or of a timm config.json (the `pretrained_cfg` in
 * it too, beside which nothing is read), or a JSON string that names a recipe
 * of ours:
 *
 *   "imagenet"   torchvision's: shorter side 256 bilinear, centre 224 x 224,
 *                / 255, mean 0.485 0.456 0.406, std 0.229 0.224 0.225
 *   "mobilenet"  Keras's "tf" mode: 224 x 224 bilinear, / 127.5 - 1
 *
 * Where a preprocessor_config.json is silent: resize if there is a `size`, crop
 * if there is a `crop_size`, bilinear, rescale by 1/255, normalise if there is
 * an `image_mean`. `size` as one number is the shorter side where a crop
 * follows (but for BEiT and DeiT), else both sides. A key that would change
 * pixels in a way that is not supported must be false or null. Where a timm
 * config is silent: bicubic, crop_pct 0.875, crop_mode center, ImageNet's mean
 * and std. One key is ours: `crop_rounding`, "down" (transformers) or "even"
 * (torchvision).
 *
 * Errors  S3E_E_FORMAT (not JSON, a wrong type, sizes missing, an unsupported
 *         filter or resize), S3E_E_INPUT (an unknown key or recipe: it is
 *         named, and the nearest), S3E_E_RANGE, S3E_E_LIMIT.
 * Thread  any. */
S3E_MUST_CHECK s3e_rc s3e_recipe_parse(
    struct s3e_recipe *out, struct s3e_span json, struct s3e_err *err);

/* Appends the recipe as a preprocessor_config.json, which s3e_recipe_parse
 * reads to the same recipe. */
void s3e_recipe_write(const struct s3e_recipe *recipe, struct s3e_buf *json);

/* The size that comes out: the crop's, else the resize's. False where it
 * depends on the image (no crop, shorter side or no resize at all). */
bool s3e_recipe_size(
    const struct s3e_recipe *recipe, size_t *height, size_t *width);

/* Applies `recipe` to `img`.
 *
 * out     [height, width, 3] float32 (NHWC, batch 1), the size that
 *         s3e_recipe_size gives (it must be true); the caller's.
 * Errors  S3E_E_NOMEM, S3E_E_LIMIT.
 * Thread  any.
 * Source  Pillow's Image.resize (nn/resize.h), the sides and the centre crop as
 *         torchvision or transformers round them, numpy's float32
 *         (v * scale - mean) / std: equal on every bit. */
S3E_MUST_CHECK s3e_rc s3e_recipe_apply(const struct s3e_recipe *recipe,
    float *out, const struct s3e_image *img, struct s3e_err *err);

#endif
