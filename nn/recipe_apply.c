/* nn/recipe_apply.c - a recipe done to pixels, and written as JSON. */
#include "nn/recipe.h"

#include "base/mem.h"
#include "nn/resize.h"
#include "nn/simd.h"
#include "nn/vector.h"

#include <assert.h>

bool s3e_recipe_size(
    const struct s3e_recipe *recipe, size_t *height, size_t *width)
{
    const bool is_cropped = recipe->crop_height != 0;
    *height = is_cropped ? recipe->crop_height : recipe->resize_height;
    *width = is_cropped ? recipe->crop_width : recipe->resize_width;
    return *height != 0;
}

static void write_sides(
    struct s3e_buf *json, const char *key, size_t height, size_t width)
{
    s3e_buf_printf(
        json, "\"%s\":{\"height\":%zu,\"width\":%zu},", key, height, width);
}

static void write_floats(struct s3e_buf *json, const float *values, size_t num)
{
    s3e_vector_write(
        json, (struct s3e_span){(const uint8_t *)values, num * sizeof *values});
}

void s3e_recipe_write(const struct s3e_recipe *recipe, struct s3e_buf *json)
{
    const bool is_resized = recipe->resize_shorter || recipe->resize_height;
    s3e_buf_printf(json, "{\"do_resize\":%s,", is_resized ? "true" : "false");
    if (recipe->resize_shorter) {
        s3e_buf_printf(
            json, "\"size\":{\"shortest_edge\":%zu},", recipe->resize_shorter);
    } else if (is_resized) {
        write_sides(json, "size", recipe->resize_height, recipe->resize_width);
    }
    s3e_buf_printf(json, "\"resample\":%d,\"do_center_crop\":%s,",
        recipe->filter == S3E_FILTER_BICUBIC ? 3 : 2,
        recipe->crop_height ? "true" : "false");
    if (recipe->crop_height) {
        write_sides(json, "crop_size", recipe->crop_height, recipe->crop_width);
    }
    if (recipe->torch_crop) {
        s3e_buf_add_str(json, "\"crop_rounding\":\"even\",");
    }
    s3e_buf_add_str(json, "\"do_rescale\":true,\"rescale_factor\":");
    write_floats(json, &recipe->scale, 1);
    s3e_buf_add_str(json, ",\"do_normalize\":true,\"image_mean\":[");
    write_floats(json, recipe->mean, 3);
    s3e_buf_add_str(json, "],\"image_std\":[");
    write_floats(json, recipe->std, 3);
    s3e_buf_add_str(json, "]}");
}

/* One side of the centre crop: `len` pixels of the resized image from `first`
 * come to lie at `at` of the output. */
struct cut {
    size_t first, at, len;
};

static struct cut cut_center(size_t side, size_t crop, bool is_torch)
{
    if (side < crop) {
        const size_t margin = crop - side;
        return (struct cut){0, (margin + !is_torch) / 2, side};
    }
    const size_t margin = side - crop;
    const bool goes_up = is_torch && margin % 4 == 3; /* n.5, n odd */
    return (struct cut){margin / 2 + goes_up, 0, crop};
}

/* The image's size after the resize. */
static void resized_size(const struct s3e_recipe *recipe,
    const struct s3e_image *img, size_t *height, size_t *width)
{
    const size_t shorter = recipe->resize_shorter;
    *height = recipe->resize_height ? recipe->resize_height : img->height;
    *width = recipe->resize_width ? recipe->resize_width : img->width;
    if (shorter) {
        const bool is_tall = img->height > img->width;
        *height = is_tall ? shorter * img->height / img->width : shorter;
        *width = is_tall ? shorter : shorter * img->width / img->height;
    }
}

/* (v * scale - mean) / std, every step rounded to float32. */
S3E_CLONES static void normalise(float *restrict out,
    const uint8_t *restrict px, size_t num, const struct s3e_recipe *recipe)
{
    enum { BLOCK = 16 * 3 };
    float mean[BLOCK], std[BLOCK];
    const float scale = recipe->scale;
    for (size_t i = 0; i < BLOCK; i++) {
        mean[i] = recipe->mean[i % 3];
        std[i] = recipe->std[i % 3];
    }
    for (; num >= BLOCK; num -= BLOCK) {
        for (size_t i = 0; i < BLOCK; i++) {
            out[i] = ((float)px[i] * scale - mean[i]) / std[i];
        }
        out += BLOCK;
        px += BLOCK;
    }
    for (size_t i = 0; i < num; i++) {
        out[i] = ((float)px[i] * scale - mean[i]) / std[i];
    }
}

s3e_rc s3e_recipe_apply(const struct s3e_recipe *recipe, float *out,
    const struct s3e_image *img, struct s3e_err *err)
{
    struct s3e_resize job = {.filter = recipe->filter};
    size_t height, width;
    const bool is_fixed = s3e_recipe_size(recipe, &height, &width);
    assert(is_fixed);
    (void)is_fixed;

    resized_size(recipe, img, &job.height, &job.width);
    const struct cut y = cut_center(job.height, height, recipe->torch_crop);
    const struct cut x = cut_center(job.width, width, recipe->torch_crop);
    job.top = y.first;
    job.rows = y.len;
    job.left = x.first;
    job.cols = x.len;
    /* Zeros: black where the crop is larger than the image. */
    uint8_t *px = s3e_zalloc_array(height * width, 3);
    if (!px) {
        return s3e_fail(
            err, S3E_E_NOMEM, "no memory for %zux%zu pixels", width, height);
    }
    const s3e_rc rc = s3e_resize_run(
        &job, px + 3 * (y.at * width + x.at), 3 * width, img, err);
    if (rc == S3E_OK) {
        normalise(out, px, 3 * height * width, recipe);
    }
    s3e_free(px);
    return rc;
}
