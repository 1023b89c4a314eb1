#include "base/mem.h"
#include "nn/recipe.h"
#include "tests/harness.h"

#include <math.h>

#define TAIL                                                                   \
 "\"do_rescale\":true,\"rescale_factor\":0.003921569,\"do_normalize\":true,"   \
 "\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,0.5]}"
#define PLAIN                                                                  \
 "\"do_rescale\":true,\"rescale_factor\":0.003921569,\"do_normalize\":true,"   \
 "\"image_mean\":[0,0,0],\"image_std\":[1,1,1]}"
#define IMAGENET                                                               \
 "\"do_rescale\":true,\"rescale_factor\":0.003921569,\"do_normalize\":true,"   \
 "\"image_mean\":[0.485,0.456,0.406],\"image_std\":[0.229,0.224,0.225]}"
#define HALVES "\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,0.5]"
#define SQUASH(n)                                                              \
 "{\"do_resize\":true,\"size\":{\"height\":" n ",\"width\":" n "},"
#define SHORTER(n) "{\"do_resize\":true,\"size\":{\"shortest_edge\":" n "},"
#define CROP(n)                                                                \
 "\"do_center_crop\":true,\"crop_size\":{\"height\":" n ",\"width\":" n "},"
#define EVEN     "\"crop_rounding\":\"even\","
#define BILINEAR "\"resample\":2,"
#define BICUBIC  "\"resample\":3,"
#define NO_CROP  "\"do_center_crop\":false,"

/* What a file says, as it is written back. Files of Hugging Face and timm, cut
 * to the keys that matter; what each means is what that class of transformers,
 * or timm's create_transform, does. */
static const struct {
    const char *name, *json, *written;
} readings[] = {
    {"imagenet", "\"imagenet\"",
        SHORTER("256") BILINEAR CROP("224") EVEN IMAGENET},
    {"mobilenet", "\"mobilenet\"", SQUASH("224") BILINEAR NO_CROP TAIL},
    {"ViT",
        "{\"do_normalize\":true,\"do_rescale\":true,\"do_resize\":true,"
        "\"image_processor_type\":\"ViTImageProcessor\"," HALVES
        ",\"resample\":2,\"rescale_factor\":0.00392156862745098,"
        "\"size\":{\"height\":224,\"width\":224}}",
        SQUASH("224") BILINEAR NO_CROP TAIL},
    {"ViT, old",
        "{\"feature_extractor_type\":\"ViTFeatureExtractor\",\"size\":224,"
        "\"resample\":2,\"do_resize\":true,\"do_normalize\":true," HALVES "}",
        SQUASH("224") BILINEAR NO_CROP TAIL},
    {"ViT, fast",
        "{\"crop_size\":null,\"data_format\":\"channels_first\","
        "\"default_to_square\":true,\"device\":null,"
        "\"disable_grouping\":null,\"do_center_crop\":null,"
        "\"do_convert_rgb\":null,\"do_normalize\":true,\"do_pad\":null,"
        "\"do_rescale\":true,\"do_resize\":true,"
        "\"image_processor_type\":\"ViTImageProcessorFast\"," HALVES
        ",\"input_data_format\":null,\"pad_size\":null,\"resample\":2,"
        "\"rescale_factor\":0.00392156862745098,\"return_tensors\":null,"
        "\"size\":{\"height\":224,\"width\":224}}",
        SQUASH("224") BILINEAR NO_CROP TAIL},
    {"CLIP, old",
        "{\"crop_size\":224,\"do_center_crop\":true,\"do_normalize\":true,"
        "\"do_resize\":true,\"feature_extractor_type\":"
        "\"CLIPFeatureExtractor\"," HALVES ",\"resample\":3,\"size\":224}",
        SHORTER("224") BICUBIC CROP("224") TAIL},
    {"CLIP",
        "{\"crop_size\":{\"height\":224,\"width\":224},"
        "\"do_center_crop\":true,\"do_convert_rgb\":true," HALVES
        ",\"resample\":3,\"size\":{\"shortest_edge\":224}}",
        SHORTER("224") BICUBIC CROP("224") TAIL},
    {"DeiT, old",
        "{\"crop_size\":224,\"do_center_crop\":true,\"feature_extractor_type\":"
        "\"DeiTFeatureExtractor\"," HALVES ",\"resample\":3,\"size\":256}",
        SQUASH("256") BICUBIC CROP("224") TAIL},
    {"LeViT",
        "{\"crop_size\":{\"height\":224,\"width\":224},"
        "\"do_center_crop\":true,\"image_processor_type\":"
        "\"LevitImageProcessor\"," HALVES
        ",\"resample\":3,\"size\":{\"shortest_edge\":224}}",
        SHORTER("256") BICUBIC CROP("224") TAIL},
    {"ConvNeXt",
        "{\"crop_pct\":0.875,\"do_resize\":true,\"resample\":3," HALVES
        ",\"size\":{\"shortest_edge\":224}}",
        SHORTER("256") BICUBIC CROP("224") TAIL},
    {"ConvNeXt, large",
        "{\"crop_pct\":1.0,\"resample\":3," HALVES ",\"size\":384}",
        SQUASH("384") BICUBIC NO_CROP TAIL},
    {"PoolFormer",
        "{\"crop_pct\":0.9,\"crop_size\":{\"height\":224,\"width\":224},"
        "\"do_center_crop\":true,\"resample\":3," HALVES
        ",\"size\":{\"shortest_edge\":224}}",
        SHORTER("248") BICUBIC CROP("224") TAIL},
    {"int and default_to_square",
        "{\"size\":64,\"default_to_square\":true,\"crop_size\":32}",
        SQUASH("64") BILINEAR CROP("32") PLAIN},
    {"nothing but a size", "{\"size\":64}",
        SQUASH("64") BILINEAR NO_CROP PLAIN},
    {"nothing", "{}", "{\"do_resize\":false," BILINEAR NO_CROP PLAIN},
    {"crop alone", "{\"crop_size\":32}",
        "{\"do_resize\":false," BILINEAR CROP("32") PLAIN},
    {"all off",
        "{\"do_resize\":false,\"size\":9,\"do_center_crop\":false,"
        "\"crop_size\":7,\"do_rescale\":false,\"do_normalize\":false," HALVES
        "}",
        "{\"do_resize\":false," BILINEAR NO_CROP
        "\"do_rescale\":true,\"rescale_factor\":1,\"do_normalize\":true,"
        "\"image_mean\":[0,0,0],\"image_std\":[1,1,1]}"},
    {"mean of bytes, std of one number",
        "{\"size\":8,\"do_rescale\":false,\"image_mean\":[123.675,116.28,"
        "103.53],\"image_std\":58}",
        SQUASH("8") BILINEAR NO_CROP
        "\"do_rescale\":true,\"rescale_factor\":1,\"do_normalize\":true,"
        "\"image_mean\":[123.675,116.28,103.53],\"image_std\":[58,58,58]}"},
    {"offset",
        "{\"size\":8,\"rescale_factor\":0.0078125,\"rescale_offset\":true,"
        "\"do_normalize\":false}",
        SQUASH("8") BILINEAR NO_CROP
        "\"do_rescale\":true,\"rescale_factor\":0.0078125,"
        "\"do_normalize\":true,\"image_mean\":[1,1,1],\"image_std\":[1,1,1]}"},
    {"timm",
        "{\"architecture\":\"resnet50\",\"num_classes\":1000,"
        "\"pretrained_cfg\":{\"tag\":\"a1_in1k\",\"custom_load\":false,"
        "\"input_size\":[3,224,224],\"test_input_size\":[3,288,288],"
        "\"fixed_input_size\":false,\"interpolation\":\"bicubic\","
        "\"crop_pct\":0.95,\"test_crop_pct\":1.0,\"crop_mode\":\"center\","
        "\"mean\":[0.5,0.5,0.5],\"std\":[0.5,0.5,0.5],\"pool_size\":[7,7],"
        "\"first_conv\":\"conv1\",\"classifier\":\"fc\"}}",
        SHORTER("235") BICUBIC CROP("224") EVEN TAIL},
    {"timm, silent", "{\"input_size\":[3,224,224]}",
        SHORTER("256") BICUBIC CROP("224") EVEN IMAGENET},
    {"timm, squash",
        "{\"input_size\":[3,224,224],\"crop_mode\":\"squash\",\"crop_pct\":1,"
        "\"interpolation\":\"bilinear\"}",
        SQUASH("224") BILINEAR CROP("224") EVEN IMAGENET},
};

static void files_are_read(void)
{
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
        in_case(readings[i].name);
        const char *json = readings[i].json;
        for (int round = 0; round < 2; round++) { /* what is written too */
            struct s3e_recipe recipe;
            struct s3e_buf text = S3E_BUF(4096);
            struct s3e_err err;
            CHECK_RC(s3e_recipe_parse(&recipe, s3e_span_str(json), &err),
                S3E_OK, &err);
            s3e_recipe_write(&recipe, &text);
            CHECK_SPAN(s3e_buf_span(&text), readings[i].written);
            s3e_buf_free(&text);
            json = readings[i].written;
        }
    }
    in_case(NULL);
}

static void what_is_wrong_is_named(void)
{
    static const struct {
        const char *json;
        s3e_rc rc;
        const char *msg;
    } cases[] = {
        {"", S3E_E_FORMAT, "not JSON: "},
        {"{\"size\":", S3E_E_FORMAT, "not JSON: "},
        {"{\"size\":1,\"size\":2}", S3E_E_FORMAT, "not JSON: duplicate"},
        {"7", S3E_E_FORMAT,
            "not a JSON object or the name of a recipe in quotes"},
        {"\"imagenette\"", S3E_E_INPUT,
            "no recipe is named \"imagenette\"; there are imagenet, "
            "mobilenet"},
        {"{\"sise\":1}", S3E_E_INPUT,
            "unknown key \"sise\"; the nearest is \"size\""},
        {"{\"image_means\":1}", S3E_E_INPUT,
            "unknown key \"image_means\"; the nearest is \"image_mean\""},
        {"{\"input_size\":[3,8,8],\"crop_pc\":1}", S3E_E_INPUT,
            "unknown key \"crop_pc\"; the nearest is \"crop_pct\""},
        {"{\"pretrained_cfg\":{\"input_sice\":[3,8,8]}}", S3E_E_INPUT,
            "unknown key \"input_sice\"; the nearest is \"input_size\""},
        {"{\"do_pad\":true}", S3E_E_FORMAT,
            "\"do_pad\" asks for what we do not do to an image; only false or "
            "null is supported"},
        {"{\"do_flip_channel_order\":1}", S3E_E_FORMAT,
            "\"do_flip_channel_order\" asks"},
        {"{\"do_resize\":true}", S3E_E_FORMAT, "\"size\" is missing"},
        {"{\"do_center_crop\":true,\"size\":3}", S3E_E_FORMAT,
            "\"crop_size\" is missing"},
        {"{\"size\":{\"longest_edge\":8}}", S3E_E_FORMAT, "\"size\" is not"},
        {"{\"size\":{\"shortest_edge\":8,\"longest_edge\":9}}", S3E_E_FORMAT,
            "\"size\" is not"},
        {"{\"size\":{\"height\":8}}", S3E_E_FORMAT, "\"size\" is not"},
        {"{\"size\":\"8\"}", S3E_E_FORMAT,
            "\"size\" is not a whole number of pixels"},
        {"{\"size\":8.5}", S3E_E_FORMAT,
            "\"size\" is not a whole number of pixels"},
        {"{\"size\":0}", S3E_E_RANGE, "\"size\" is not 1 to 4096 pixels"},
        {"{\"size\":4097}", S3E_E_RANGE, "\"size\" is not 1 to 4096 pixels"},
        {"{\"size\":-1}", S3E_E_RANGE, "\"size\" is not 1 to 4096 pixels"},
        {"{\"crop_size\":{\"height\":8,\"width\":9999}}", S3E_E_RANGE,
            "\"crop_size\" is not 1 to 4096 pixels"},
        {"{\"size\":8,\"resample\":1}", S3E_E_FORMAT,
            "\"resample\" is not 2 (bilinear) or 3 (bicubic), the filters we "
            "have"},
        {"{\"size\":8,\"resample\":\"bilinear\"}", S3E_E_FORMAT,
            "\"resample\" is not"},
        {"{\"size\":8,\"do_resize\":1}", S3E_E_FORMAT,
            "\"do_resize\" is not true or false"},
        {"{\"rescale_factor\":0}", S3E_E_RANGE,
            "\"rescale_factor\" holds a number that is out of range"},
        {"{\"rescale_factor\":\"1/255\"}", S3E_E_FORMAT,
            "\"rescale_factor\" is not a number where one belongs"},
        {"{\"image_mean\":[0.5,0.5]}", S3E_E_FORMAT,
            "\"image_mean\" does not hold three numbers, R G B"},
        {"{\"image_mean\":[1,2,\"3\"]}", S3E_E_FORMAT,
            "\"image_mean\" is not a number where one belongs"},
        {"{\"image_mean\":0}", S3E_E_FORMAT, "\"image_std\" is missing"},
        {"{\"do_normalize\":true}", S3E_E_FORMAT, "\"image_mean\" is missing"},
        {"{\"image_mean\":0,\"image_std\":[1,0,1]}", S3E_E_RANGE,
            "\"image_std\" holds a number that is out of range"},
        {"{\"image_mean\":-1e300,\"image_std\":1}", S3E_E_RANGE,
            "\"image_mean\" holds a number that is out of range"},
        {"{\"size\":300,\"crop_pct\":0.05}", S3E_E_RANGE,
            "\"crop_pct\" makes a size that is out of range"},
        {"{\"size\":{\"height\":8,\"width\":9},\"crop_pct\":0.9}", S3E_E_FORMAT,
            "\"crop_pct\" needs a size of one number"},
        {"{\"crop_rounding\":\"up\"}", S3E_E_FORMAT,
            "\"crop_rounding\" is not \"down\" or \"even\""},
        {"{\"image_processor_type\":3,\"size\":9}", S3E_E_FORMAT,
            "\"image_processor_type\" is not a string"},
        {"{\"input_size\":[1,28,28]}", S3E_E_FORMAT,
            "\"input_size\" is not [3, height, width]"},
        {"{\"input_size\":224}", S3E_E_FORMAT,
            "\"input_size\" is not [3, height, width]"},
        {"{\"pretrained_cfg\":{}}", S3E_E_FORMAT,
            "\"input_size\" is not [3, height, width]"},
        {"{\"input_size\":[3,8,9]}", S3E_E_FORMAT,
            "\"crop_mode\" is not center with a square input_size, or squash"},
        {"{\"input_size\":[3,8,8],\"crop_mode\":\"border\"}", S3E_E_FORMAT,
            "\"crop_mode\" is not"},
        {"{\"input_size\":[3,8,8],\"interpolation\":\"lanczos\"}", S3E_E_FORMAT,
            "\"interpolation\" is not \"bilinear\" or \"bicubic\""
            ", the filters we have"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_recipe recipe;
        struct s3e_err err;
        in_case(cases[i].json);
        CHECK_RC(s3e_recipe_parse(&recipe, s3e_span_str(cases[i].json), &err),
            cases[i].rc, &err);
        if (strncmp(err.msg, cases[i].msg, strlen(cases[i].msg)) != 0) {
            CHECK_STR(err.msg, cases[i].msg);
        }
    }
    in_case(NULL);
}

static void a_giant_file_is_refused(void)
{
    const size_t len = S3E_RECIPE_JSON_MAX + 1;
    uint8_t *spaces = malloc(len);
    struct s3e_recipe recipe;
    struct s3e_err err;
    CHECK(spaces != NULL);
    memset(spaces, ' ', len);
    CHECK(s3e_recipe_parse(&recipe, (struct s3e_span){spaces, len}, &err) ==
          S3E_E_LIMIT);
    CHECK_STR(err.msg, "JSON of more than 4194304 bytes");
    free(spaces);
}

static void the_size_is_the_crops_or_the_resizes(void)
{
    static const struct {
        struct s3e_recipe recipe;
        bool is_fixed;
        size_t height, width;
    } cases[] = {
        {{.resize_height = 4, .resize_width = 5}, true, 4, 5},
        {{.resize_shorter = 4, .crop_height = 2, .crop_width = 3}, true, 2, 3},
        {{.crop_height = 2, .crop_width = 3}, true, 2, 3},
        {{.resize_shorter = 4}, false, 0, 0},
        {{.scale = 1.0F}, false, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t height, width;
        CHECK(s3e_recipe_size(&cases[i].recipe, &height, &width) ==
              cases[i].is_fixed);
        CHECK(height == cases[i].height && width == cases[i].width);
    }
}

enum { SIDE_MAX = 64 };

/* Each pixel says where it was: R the row, G the column. */
static void fill_places(struct s3e_image *img, size_t height, size_t width)
{
    static uint8_t px[SIDE_MAX * SIDE_MAX * 3];
    for (size_t i = 0; i < height * width; i++) {
        px[3 * i] = (uint8_t)(i / width + 1);
        px[3 * i + 1] = (uint8_t)(i % width + 1);
        px[3 * i + 2] = 200;
    }
    *img = (struct s3e_image){px, height, width};
}

/* torchvision: int(round((h - ch) / 2)), a half to even; padding (ch - h) // 2
 * before. transformers: (h - ch) // 2; padding ceil((ch - h) / 2) before. */
static void crops_lie_where_the_others_put_them(void)
{
    static const struct {
        size_t height, crop;
        bool is_torch;
        int first; /* the image's row in the crop's first, < 0: padding */
    } cases[] = {
        {10, 4, true, 3},
        {10, 4, false, 3},
        {9, 4, true, 2}, /* 2.5 */
        {9, 4, false, 2},
        {11, 4, true, 4}, /* 3.5 */
        {11, 4, false, 3},
        {5, 4, true, 0}, /* 0.5 */
        {5, 4, false, 0},
        {4, 4, true, 0},
        {4, 4, false, 0},
        {4, 6, true, -1},
        {4, 6, false, -1},
        {4, 7, true, -1},
        {4, 7, false, -2},
        {1, 64, true, -31},
        {1, 64, false, -32},
    };
    static float out[SIDE_MAX * SIDE_MAX * 3];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t crop = cases[i].crop;
        const struct s3e_recipe recipe = {.crop_height = crop,
            .crop_width = crop,
            .torch_crop = cases[i].is_torch,
            .scale = 1.0F,
            .std = {1.0F, 1.0F, 1.0F}};
        struct s3e_image img;
        struct s3e_err err;
        fill_places(&img, cases[i].height, cases[i].height);
        CHECK_RC(s3e_recipe_apply(&recipe, out, &img, &err), S3E_OK, &err);
        for (size_t p = 0; p < crop * crop; p++) {
            const long row = (long)(p / crop) + cases[i].first;
            const long col = (long)(p % crop) + cases[i].first;
            const long side = (long)cases[i].height;
            const bool is_in = row >= 0 && row < side && col >= 0 && col < side;
            CHECK(lrintf(out[3 * p]) == (is_in ? row + 1 : 0));
            CHECK(lrintf(out[3 * p + 1]) == (is_in ? col + 1 : 0));
            CHECK(lrintf(out[3 * p + 2]) == (is_in ? 200 : 0));
        }
    }
}

/* (v * scale - mean) / std in float32, each step rounded: equal, whatever
 * vectors it was computed in. */
static void values_are_those_of_float32(void)
{
    static float out[SIDE_MAX * SIDE_MAX * 3];
    const struct s3e_recipe recipe = {.resize_height = 61,
        .resize_width = 47,
        .scale = (float)(1.0 / 255.0),
        .mean = {0.485F, 0.456F, 0.406F},
        .std = {0.229F, 0.224F, 0.225F}};
    struct s3e_image img;
    struct s3e_err err;
    fill_places(&img, 61, 47);
    CHECK_RC(s3e_recipe_apply(&recipe, out, &img, &err), S3E_OK, &err);
    for (size_t i = 0; i < 61 * 47 * 3; i++) {
        volatile float want = (float)img.px[i] * recipe.scale;
        want = want - recipe.mean[i % 3];
        want = want / recipe.std[i % 3];
        const float got = want;
        CHECK(memcmp(&out[i], &got, sizeof got) == 0);
    }
}

/* 64 x 3 to a shorter side of 2: int(2 * 64 / 3) = 42 long. */
static void the_ratio_is_kept(void)
{
    static float out[2 * 2 * 3];
    struct s3e_recipe recipe = {.resize_shorter = 2,
        .crop_height = 2,
        .crop_width = 2,
        .scale = 1.0F,
        .std = {1.0F, 1.0F, 1.0F}};
    struct s3e_image img;
    struct s3e_err err;
    fill_places(&img, 64, 3);
    CHECK_RC(s3e_recipe_apply(&recipe, out, &img, &err), S3E_OK, &err);
    /* Rows 20, 21 of 42: centres (20.5, 21.5) * 64 / 42, from row 1 on. */
    CHECK(lrintf(out[0]) == 32 && lrintf(out[6]) == 33);
    CHECK(lrintf(out[1]) == 1 && lrintf(out[4]) == 3);
}

static s3e_rc use(void *ctx)
{
    static float out[16 * 16 * 3];
    const struct s3e_recipe *recipe = ctx;
    struct s3e_image img;
    struct s3e_err err;
    fill_places(&img, 40, 50);
    return s3e_recipe_apply(recipe, out, &img, &err);
}

int main(void)
{
    count_allocations();
    files_are_read();
    what_is_wrong_is_named();
    a_giant_file_is_refused();
    the_size_is_the_crops_or_the_resizes();
    crops_lie_where_the_others_put_them();
    values_are_those_of_float32();
    the_ratio_is_kept();
    struct s3e_recipe recipe = {.resize_shorter = 20,
        .crop_height = 16,
        .crop_width = 16,
        .scale = 1.0F,
        .std = {1.0F, 1.0F, 1.0F}};
    sweep_allocations(use, &recipe);
    CHECK(live_allocations() == 0);
    return 0;
}
