#include "nn/model.h"

#include "base/sync.h"
#include "nn/default_model.h"
#include "tests/harness.h"
#include "tests/net.h"

#include <math.h>

static struct s3e_err g_err;

static const char g_sha256[] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static struct s3e_recipe recipe_of(const char *json)
{
    struct s3e_recipe recipe;
    CHECK_RC(
        s3e_recipe_parse(&recipe, s3e_span_str(json), &g_err), S3E_OK, &g_err);
    return recipe;
}

/* Pictures of 8x8, as they are / 255. */
static struct s3e_recipe plain_recipe(void)
{
    return recipe_of("{\"size\": {\"height\": 8, \"width\": 8}, \"resample\": "
                     "2, \"do_rescale\": true, \"do_normalize\": false}");
}

/* The mean of each channel, times k. */
static struct onnx_build mean_model(double k)
{
    struct onnx_build b = onnx_new(13);
    struct tensor weights = net_zeros("3,3");
    for (size_t i = 0; i < 3; i++) {
        weights.v[i * 4] = k;
    }
    onnx_input(&b, "x", "N,3,H,W");
    net_floats(&b, "w", weights);
    onnx_node(&b, "ReduceMean", "x", "m", "axes:I=2,3 keepdims:i=0");
    onnx_node(&b, "MatMul", "m w", "y", "");
    onnx_output(&b, "y");
    net_reset();
    return b;
}

static struct s3e_span example(void)
{
    return read_file("examples/apple/apple_01.jpg");
}

static void an_image_becomes_a_vector(void)
{
    const struct s3e_recipe recipe = plain_recipe();
    const struct s3e_span image = example();
    struct s3e_image pixels;
    double mean[3] = {0};
    CHECK_RC(s3e_image_decode(&pixels, image, &g_err), S3E_OK, &g_err);
    for (size_t i = 0; i < pixels.height * pixels.width * 3; i++) {
        mean[i % 3] +=
            pixels.px[i] / 255.0 / (double)(pixels.height * pixels.width);
    }
    s3e_image_deinit(&pixels);
    for (int normalize = 0; normalize < 2; normalize++) {
        const struct s3e_model_options options = {
            .recipe = &recipe, .normalize = normalize};
        const struct s3e_model_stats before = s3e_model_stats();
        struct onnx_build b = mean_model(1.0);
        struct s3e_model *model;
        float v[3];
        CHECK_RC(
            s3e_model_new(&model, onnx_file(&b), g_sha256, &options, &g_err),
            S3E_OK, &g_err);
        onnx_free(&b);
        const struct s3e_model_info *info = s3e_model_info(model);
        CHECK_STR(info->format, "onnx");
        CHECK_STR(info->sha256, g_sha256);
        CHECK(info->dims == 3 && info->num_parameters == 9);
        CHECK(info->input_height == 8 && info->input_width == 8);
        CHECK(info->normalize == (bool)normalize);
        CHECK_RC(s3e_model_embed(model, v, image, &g_err), S3E_OK, &g_err);
        const double len = normalize
                               ? sqrt(mean[0] * mean[0] + mean[1] * mean[1] +
                                      mean[2] * mean[2])
                               : 1.0;
        for (int c = 0; c < 3; c++) {
            /* The resize rounds each of 64 pixels to 1 / 255 at most. */
            CHECK(fabs((double)v[c] - mean[c] / len) < 2.0 / 255);
        }
        CHECK(s3e_model_stats().images == before.images + 1);
        CHECK(s3e_model_ref(model) == model);
        s3e_model_unref(model);
        s3e_model_unref(model);
        s3e_model_unref(NULL);
    }
    free((void *)(uintptr_t)image.ptr);
}

static void failures_are_the_images_or_the_models(void)
{
    const struct s3e_recipe recipe = plain_recipe();
    const struct s3e_model_options options = {.recipe = &recipe};
    const struct s3e_model_stats before = s3e_model_stats();
    struct onnx_build b = mean_model(1e39); /* an infinity as float */
    struct s3e_model *model;
    float v[3];
    CHECK_RC(s3e_model_new(&model, onnx_file(&b), g_sha256, &options, &g_err),
        S3E_OK, &g_err);
    onnx_free(&b);
    CHECK_RC(s3e_model_embed(model, v, S3E_LIT("<xml>no</xml>"), &g_err),
        S3E_E_FORMAT, &g_err);
    CHECK(strstr(g_err.msg, "not an image we read") != NULL);
    const struct s3e_span image = example();
    CHECK_RC(s3e_model_embed(model, v, image, &g_err), S3E_E_INPUT, &g_err);
    CHECK(strstr(g_err.msg, "the network gives") != NULL);
    CHECK(s3e_model_stats().images == before.images);
    free((void *)(uintptr_t)image.ptr);
    s3e_model_unref(model);
}

static void a_failed_load_leaves_nothing(void)
{
    const long live = live_allocations();
    const struct s3e_recipe recipe = plain_recipe();
    const struct s3e_recipe any_size =
        recipe_of("{\"size\": {\"shortest_edge\": 8}, \"do_center_crop\": "
                  "false, \"do_normalize\": false}");
    struct s3e_model_options options = {.recipe = &recipe};
    struct s3e_model *model;
    struct onnx_build b = mean_model(1.0);
    CHECK_RC(s3e_model_new(&model, S3E_LIT("junk"), g_sha256, &options, &g_err),
        S3E_E_FORMAT, &g_err);
    CHECK(!model);
    options.output = "z";
    CHECK_RC(s3e_model_new(&model, onnx_file(&b), g_sha256, &options, &g_err),
        S3E_E_INPUT, &g_err);
    options.output = NULL;
    options.recipe = &any_size;
    CHECK_RC(s3e_model_new(&model, onnx_file(&b), g_sha256, &options, &g_err),
        S3E_E_INPUT, &g_err);
    onnx_free(&b);

    struct s3e_recipe large = recipe;
    large.resize_height = large.resize_width = 600;
    b = onnx_new(13);
    onnx_input(&b, "x", "N,3,H,W");
    onnx_node(&b, "Relu", "x", "y", "");
    onnx_output(&b, "y");
    options.recipe = &large;
    CHECK_RC(s3e_model_new(&model, onnx_file(&b), g_sha256, &options, &g_err),
        S3E_E_LIMIT, &g_err);
    CHECK_STR(
        g_err.msg, "the model's vector has 1080000 numbers; 1048576 at most");
    onnx_free(&b);
    CHECK(live_allocations() == live);
}

static void the_default_model_is_there(void)
{
    const struct s3e_span image = example();
    struct s3e_model *first, *second;
    float v[256];
    CHECK_RC(s3e_model_default(&first, &g_err), S3E_OK, &g_err);
    CHECK_RC(s3e_model_default(&second, &g_err), S3E_OK, &g_err);
    CHECK(first == second);
    const struct s3e_model_info *info = s3e_model_info(first);
    CHECK_STR(info->sha256, s3e_default_sha256());
    CHECK(info->dims == 256);
    CHECK(s3e_default_model().len <= 3000000);
    CHECK_RC(s3e_model_embed(first, v, image, &g_err), S3E_OK, &g_err);
    CHECK_RC(s3e_model_embed(second, v, image, &g_err), S3E_OK, &g_err);
    s3e_model_unref(first);
    s3e_model_unref(second);
    free((void *)(uintptr_t)image.ptr);
}

struct crowd {
    struct s3e_model *model;
    struct s3e_span image;
    float want[256];
};

static void embed_often(void *arg)
{
    struct crowd *crowd = arg;
    for (int i = 0; i < 10; i++) {
        struct s3e_err err;
        float v[256];
        CHECK_RC(
            s3e_model_embed(crowd->model, v, crowd->image, &err), S3E_OK, &err);
        CHECK(memcmp(v, crowd->want, sizeof v) == 0);
    }
}

static void many_threads_share_a_model(void)
{
    struct crowd crowd = {.image = example()};
    struct s3e_thread threads[4];
    CHECK_RC(s3e_model_default(&crowd.model, &g_err), S3E_OK, &g_err);
    CHECK_RC(s3e_model_embed(crowd.model, crowd.want, crowd.image, &g_err),
        S3E_OK, &g_err);
    for (int i = 0; i < 4; i++) {
        CHECK_RC(
            s3e_thread_start(&threads[i], "embed", embed_often, &crowd, &g_err),
            S3E_OK, &g_err);
    }
    for (int i = 0; i < 4; i++) {
        s3e_thread_join(&threads[i]);
    }
    s3e_model_unref(crowd.model);
    free((void *)(uintptr_t)crowd.image.ptr);
}

struct sweep {
    struct s3e_recipe recipe;
    struct s3e_span file, image;
};

static s3e_rc load_and_embed(void *ctx)
{
    const struct sweep *sweep = ctx;
    const struct s3e_model_options options = {.recipe = &sweep->recipe};
    struct s3e_model *model;
    float v[3];
    s3e_rc rc = s3e_model_new(&model, sweep->file, g_sha256, &options, &g_err);
    if (!rc) {
        rc = s3e_model_embed(model, v, sweep->image, &g_err);
    }
    s3e_model_unref(model);
    return rc;
}

int main(void)
{
    count_allocations();
    an_image_becomes_a_vector();
    failures_are_the_images_or_the_models();
    a_failed_load_leaves_nothing();
    struct onnx_build b = mean_model(1.0);
    struct sweep sweep = {plain_recipe(), onnx_file(&b), example()};
    sweep_allocations(load_and_embed, &sweep);
    free((void *)(uintptr_t)sweep.image.ptr);
    onnx_free(&b);
    CHECK(live_allocations() == 0);
    the_default_model_is_there();
    many_threads_share_a_model();
    char text[200];
    s3e_model_describe(text, sizeof text);
    CHECK(strstr(text, "XNNPACK") == text);
    return 0;
}
