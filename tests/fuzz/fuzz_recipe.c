/* Any bytes as a recipe: what is read is written and read back the same, and
 * done to an image it gives finite numbers. */
#include "base/mem.h"
#include "nn/recipe.h"
#include "tests/harness.h"

#include <math.h>

enum { TEXT_MAX = 4096, VALUES_MAX = 3 * 300 * 300 };

static void apply(const struct s3e_recipe *recipe)
{
    static uint8_t px[5 * 7 * 3] = {0, 255, 128, 1, 2, 3};
    static float out[VALUES_MAX];
    const struct s3e_image img = {px, 5, 7};
    size_t height, width;
    struct s3e_err err;
    if (!s3e_recipe_size(recipe, &height, &width) ||
        3 * height * width > VALUES_MAX) {
        return;
    }
    CHECK_RC(s3e_recipe_apply(recipe, out, &img, &err), S3E_OK, &err);
    for (size_t i = 0; i < 3 * height * width; i++) {
        CHECK(isfinite(out[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct s3e_recipe recipe, again;
    struct s3e_buf text = S3E_BUF(TEXT_MAX), twice = S3E_BUF(TEXT_MAX);
    struct s3e_err err = {"", ""};
    if (s3e_recipe_parse(&recipe, (struct s3e_span){data, len}, &err)) {
        CHECK(err.msg[0]);
        return 0;
    }
    s3e_recipe_write(&recipe, &text);
    CHECK(s3e_buf_check(&text, "recipe", &err) == S3E_OK);
    CHECK_RC(s3e_recipe_parse(&again, s3e_buf_span(&text), &err), S3E_OK, &err);
    s3e_recipe_write(&again, &twice);
    CHECK(s3e_span_eq(s3e_buf_span(&text), s3e_buf_span(&twice)));
    apply(&recipe);
    s3e_buf_free(&twice);
    s3e_buf_free(&text);
    return 0;
}
