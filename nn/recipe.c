#include "nn/recipe.h"

#include <math.h>

#include <jansson.h>

/* The keys that a kind of file may have. */
struct dialect {
    const char *const *read;
    const char *const *refused; /* must be false or null */
    const char *const *ignored; /* nothing about pixels */
};

static const struct dialect hugging_face = {
    .read = (const char *const[]){"do_resize", "size", "default_to_square",
        "resample", "do_center_crop", "crop_size", "crop_pct", "do_rescale",
        "rescale_factor", "rescale_offset", "do_normalize", "image_mean",
        "image_std", "image_processor_type", "feature_extractor_type",
        "crop_rounding", NULL},
    .refused = (const char *const[]){"do_pad", "pad_size", "size_divisor",
        "do_flip_channel_order", "do_thumbnail", "do_align_long_axis",
        "do_crop_margin", "do_color_quantize", "do_split_image",
        "do_image_splitting", "do_grayscale", "include_top", NULL},
    .ignored = (const char *const[]){"do_convert_rgb", "processor_class",
        "data_format", "input_data_format", "return_tensors", "device",
        "disable_grouping", "do_reduce_labels", "reduce_labels", "auto_map",
        "_valid_processor_keys", "image_seq_length", "num_channels",
        "transformers_version", NULL},
};

static const struct dialect timm = {
    .read = (const char *const[]){"input_size", "interpolation", "crop_pct",
        "crop_mode", "mean", "std", NULL},
    .refused = (const char *const[]){NULL},
    .ignored = (const char *const[]){"architecture", "num_classes",
        "num_features", "global_pool", "model_args", "url", "file",
        "state_dict", "hf_hub_id", "hf_hub_filename", "source", "tag",
        "custom_load", "test_input_size", "min_input_size", "fixed_input_size",
        "test_crop_pct", "label_offset", "label_names", "label_descriptions",
        "pool_size", "test_pool_size", "first_conv", "classifier", "license",
        "description", "origin_url", "paper_name", "paper_ids", "notes", NULL},
};

static const struct {
    const char *name, *json;
} builtin[] = {
    {"imagenet", "{\"input_size\":[3,224,224],\"interpolation\":\"bilinear\","
                 "\"crop_pct\":0.875,\"mean\":[0.485,0.456,0.406],"
                 "\"std\":[0.229,0.224,0.225]}"},
    {"mobilenet", "{\"size\":{\"height\":224,\"width\":224},\"resample\":2,"
                  "\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,0.5]}"},
};

/* Processors that do something else than their file says. */
static const struct quirk {
    const char *type; /* the name of the class begins so */
    bool is_square;   /* `size` as one number is both sides */
    double crop_pct;  /* where the file has none; 0: none */
} quirks[] = {
    {"Beit", true, 0.0}, {"DeiT", true, 0.0}, {"Levit", false, 224.0 / 256.0},
    {"", false, 0.0}, /* all others */
};

static const double value_max = 1e6; /* of a mean, a std, a factor */

/* A file being read. Once `rc` is set every question is answered with what
 * does no harm, so it is checked once, at the end. */
struct parse {
    json_t *keys;
    s3e_rc rc;
    struct s3e_err *err;
};

static void fail(
    struct parse *p, s3e_rc rc, const char *key, const char *problem)
{
    if (p->rc == S3E_OK) {
        p->rc = s3e_fail(p->err, rc, "\"%s\" %s", key, problem);
    }
}

static bool listed(const char *const *names, const char *name)
{
    while (*names && strcmp(*names, name) != 0) {
        names++;
    }
    return *names != NULL;
}

enum { KNOWN_MAX = 31, UNKNOWN_MAX = 64, NAMES_MAX = 200 }; /* bytes */

/* Edits (insert, delete, change a byte) that make `b` of `a`. */
static size_t edits(const char *a, const char *b)
{
    size_t row[KNOWN_MAX + 1];
    const size_t len = strnlen(b, KNOWN_MAX);
    for (size_t j = 0; j <= len; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < UNKNOWN_MAX && a[i]; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 1; j <= len; j++) {
            size_t best = corner + (a[i] != b[j - 1]);
            corner = row[j];
            best = best < row[j] + 1 ? best : row[j] + 1;
            row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
        }
    }
    return row[len];
}

static void fail_unknown(
    struct parse *p, const char *key, const char *const *names)
{
    const char *nearest = *names;
    for (; *names; names++) {
        if (edits(key, *names) < edits(key, nearest)) {
            nearest = *names;
        }
    }
    p->rc = s3e_fail(p->err, S3E_E_INPUT,
        "unknown key \"%.*s\"; the nearest is \"%s\"", UNKNOWN_MAX, key,
        nearest);
}

static void check_keys(struct parse *p, const struct dialect *dialect)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(p->keys, key, value)
    {
        const bool is_off = json_is_false(value) || json_is_null(value);
        if (p->rc || listed(dialect->read, key) ||
            listed(dialect->ignored, key)) {
            continue;
        }
        if (!listed(dialect->refused, key)) {
            fail_unknown(p, key, dialect->read);
        } else if (!is_off) {
            fail(p, S3E_E_FORMAT, key,
                "asks for what we do not do to an image; only false or null "
                "is supported");
        }
    }
}

/* The value of `key`; NULL where it is null or absent. */
static const json_t *get(const struct parse *p, const char *key)
{
    const json_t *value = json_object_get(p->keys, key);
    return json_is_null(value) ? NULL : value;
}

static bool get_flag(struct parse *p, const char *key, bool otherwise)
{
    const json_t *value = get(p, key);
    if (value && !json_is_boolean(value)) {
        fail(p, S3E_E_FORMAT, key, "is not true or false");
    }
    return value ? json_is_true(value) : otherwise;
}

static const char *get_text(
    struct parse *p, const char *key, const char *otherwise)
{
    const json_t *value = get(p, key);
    if (value && !json_is_string(value)) {
        fail(p, S3E_E_FORMAT, key, "is not a string");
        return otherwise;
    }
    return value ? json_string_value(value) : otherwise;
}

static double in_range(
    struct parse *p, const char *key, const json_t *value, double low)
{
    const double number = json_number_value(value);
    if (!json_is_number(value)) {
        fail(p, S3E_E_FORMAT, key, "is not a number where one belongs");
    } else if (!(number >= low && number <= value_max)) {
        fail(p, S3E_E_RANGE, key, "holds a number that is out of range");
    } else {
        return number;
    }
    return 1.0;
}

static double get_number(
    struct parse *p, const char *key, double low, double otherwise)
{
    const json_t *value = get(p, key);
    return value ? in_range(p, key, value, low) : otherwise;
}

/* Three numbers, or one for all three channels. */
static void get_channels(
    struct parse *p, float out[3], const char *key, double low)
{
    const json_t *value = get(p, key);
    if (!value) {
        fail(p, S3E_E_FORMAT, key, "is missing");
    } else if (json_is_array(value) && json_array_size(value) != 3) {
        fail(p, S3E_E_FORMAT, key, "does not hold three numbers, R G B");
    }
    for (size_t c = 0; c < 3; c++) {
        const json_t *item =
            json_is_array(value) ? json_array_get(value, c) : value;
        out[c] = (float)in_range(p, key, item, low);
    }
}

static size_t side_of(struct parse *p, const char *key, const json_t *value)
{
    const json_int_t side = json_integer_value(value);
    if (!json_is_integer(value)) {
        fail(p, S3E_E_FORMAT, key, "is not a whole number of pixels");
    } else if (side < 1 || side > S3E_RECIPE_SIDE_MAX) {
        fail(p, S3E_E_RANGE, key, "is not 1 to 4096 pixels");
    } else {
        return (size_t)side;
    }
    return 1;
}

/* {"height": h, "width": w}, or one number for both. */
static void get_sides(
    struct parse *p, size_t *height, size_t *width, const char *key)
{
    const json_t *value = get(p, key);
    if (!value) {
        fail(p, S3E_E_FORMAT, key, "is missing");
    }
    const json_t *h = json_object_get(value, "height");
    const json_t *w = json_object_get(value, "width");
    if (json_is_object(value) && (!h || !w || json_object_size(value) != 2)) {
        fail(p, S3E_E_FORMAT, key,
            "is not a number of pixels, {\"height\", \"width\"} or, for the "
            "size, {\"shortest_edge\"}");
    }
    *height = side_of(p, key, h ? h : value);
    *width = side_of(p, key, w ? w : value);
}

static const struct quirk *quirk_of(struct parse *p)
{
    const char *type = get_text(
        p, "image_processor_type", get_text(p, "feature_extractor_type", ""));
    const struct quirk *quirk = quirks;
    while (strncmp(type, quirk->type, strlen(quirk->type)) != 0) {
        quirk++;
    }
    return quirk;
}

/* The side that a crop of `side` is `pct` of. */
static size_t side_before(struct parse *p, size_t side, double pct)
{
    const double before = floor((double)side / pct);
    if (before < 1.0 || before > (double)S3E_RECIPE_SIDE_MAX) {
        fail(p, S3E_E_RANGE, "crop_pct", "makes a size that is out of range");
        return 1;
    }
    return (size_t)before;
}

/* In ConvNeXt's files a crop_pct makes the size the crop's, but for large ones,
 * which are not cropped; PoolFormer's has a crop beside it. */
static void apply_crop_pct(
    struct parse *p, struct s3e_recipe *out, double pct, bool has_crop)
{
    enum { UNCROPPED = 384 };
    const size_t side =
        out->resize_shorter ? out->resize_shorter : out->resize_height;
    if (!out->resize_shorter && out->resize_width != side) {
        fail(p, S3E_E_FORMAT, "crop_pct", "needs a size of one number");
    }
    if (!has_crop && side >= UNCROPPED) {
        out->resize_height = side;
        out->resize_width = side;
        out->resize_shorter = 0;
        return;
    }
    out->resize_shorter = side_before(p, side, pct);
    if (!has_crop) {
        out->crop_height = side;
        out->crop_width = side;
    }
}

static void read_size(struct parse *p, struct s3e_recipe *out, bool has_crop)
{
    const struct quirk *quirk = quirk_of(p);
    const json_t *size = get(p, "size");
    const json_t *shorter = json_object_get(size, "shortest_edge");
    const bool is_square =
        get_flag(p, "default_to_square", quirk->is_square || !has_crop);
    const double pct = get_number(p, "crop_pct", 0.01, quirk->crop_pct);

    if (json_is_integer(size) && !is_square) {
        shorter = size;
    }
    if (shorter && (shorter == size || json_object_size(size) == 1)) {
        out->resize_shorter = side_of(p, "size", shorter);
    } else {
        get_sides(p, &out->resize_height, &out->resize_width, "size");
    }
    if (pct > 0.0) {
        apply_crop_pct(p, out, pct, has_crop);
    }
    if (out->resize_shorter) {
        out->resize_height = 0;
        out->resize_width = 0;
    }
}

static void read_filter(struct parse *p, struct s3e_recipe *out)
{
    enum { PILLOW_BILINEAR = 2, PILLOW_BICUBIC = 3 };
    const json_t *value = get(p, "resample");
    const json_int_t filter =
        value ? json_integer_value(value) : PILLOW_BILINEAR;
    if (filter != PILLOW_BILINEAR && filter != PILLOW_BICUBIC) {
        fail(p, S3E_E_FORMAT, "resample",
            "is not 2 (bilinear) or 3 (bicubic), the filters we have");
    }
    out->filter =
        filter == PILLOW_BICUBIC ? S3E_FILTER_BICUBIC : S3E_FILTER_BILINEAR;
}

static void read_hugging_face(struct parse *p, struct s3e_recipe *out)
{
    const bool has_crop =
        get_flag(p, "do_center_crop", get(p, "crop_size") != NULL);
    const char *rounding = get_text(p, "crop_rounding", "down");
    check_keys(p, &hugging_face);
    if (get_flag(p, "do_resize", get(p, "size") != NULL)) {
        read_size(p, out, has_crop);
    }
    read_filter(p, out);
    if (has_crop) {
        get_sides(p, &out->crop_height, &out->crop_width, "crop_size");
    }
    out->torch_crop = strcmp(rounding, "even") == 0;
    if (!out->torch_crop && strcmp(rounding, "down") != 0) {
        fail(p, S3E_E_FORMAT, "crop_rounding", "is not \"down\" or \"even\"");
    }
    if (get_flag(p, "do_rescale", true)) {
        out->scale = (float)get_number(p, "rescale_factor", 1e-6, 1.0 / 255.0);
    }
    if (get_flag(p, "do_normalize", get(p, "image_mean") != NULL)) {
        get_channels(p, out->mean, "image_mean", -value_max);
        get_channels(p, out->std, "image_std", 1e-6);
    }
    if (get_flag(p, "rescale_offset", false)) {
        for (size_t c = 0; c < 3; c++) {
            out->mean[c] += 1.0F; /* v * scale - 1, then the mean */
            if ((double)out->mean[c] > value_max) {
                fail(p, S3E_E_RANGE, "image_mean",
                    "holds a number that is out of range");
            }
        }
    }
}

static void read_input_size(struct parse *p, size_t sides[2])
{
    const json_t *value = get(p, "input_size");
    if (json_array_size(value) != 3 ||
        json_integer_value(json_array_get(value, 0)) != 3) {
        fail(p, S3E_E_FORMAT, "input_size", "is not [3, height, width]");
    }
    for (size_t i = 0; i < 2; i++) {
        sides[i] = side_of(p, "input_size", json_array_get(value, i + 1));
    }
}

static void read_timm(struct parse *p, struct s3e_recipe *out)
{
    static const float mean[3] = {0.485F, 0.456F, 0.406F};
    static const float std[3] = {0.229F, 0.224F, 0.225F};
    const char *filter = get_text(p, "interpolation", "bicubic");
    const char *mode = get_text(p, "crop_mode", "center");
    const double pct = get_number(p, "crop_pct", 0.01, 0.875);
    const bool is_squash = strcmp(mode, "squash") == 0;
    size_t sides[2];

    check_keys(p, &timm);
    read_input_size(p, sides);
    out->torch_crop = true;
    out->crop_height = sides[0];
    out->crop_width = sides[1];
    if (is_squash) {
        out->resize_height = side_before(p, sides[0], pct);
        out->resize_width = side_before(p, sides[1], pct);
    } else {
        out->resize_shorter = side_before(p, sides[0], pct);
    }
    if (!is_squash && (strcmp(mode, "center") != 0 || sides[0] != sides[1])) {
        fail(p, S3E_E_FORMAT, "crop_mode",
            "is not center with a square input_size, or squash");
    }
    out->filter = strcmp(filter, "bicubic") == 0 ? S3E_FILTER_BICUBIC
                                                 : S3E_FILTER_BILINEAR;
    if (out->filter == S3E_FILTER_BILINEAR && strcmp(filter, "bilinear") != 0) {
        fail(p, S3E_E_FORMAT, "interpolation",
            "is not \"bilinear\" or \"bicubic\", the filters we have");
    }
    out->scale = (float)(1.0 / 255.0);
    memcpy(out->mean, mean, sizeof mean);
    memcpy(out->std, std, sizeof std);
    if (get(p, "mean")) {
        get_channels(p, out->mean, "mean", -value_max);
    }
    if (get(p, "std")) {
        get_channels(p, out->std, "std", 1e-6);
    }
}

static s3e_rc read_object(
    struct s3e_recipe *out, json_t *root, struct s3e_err *err)
{
    json_t *inner = json_object_get(root, "pretrained_cfg");
    struct parse p = {json_is_object(inner) ? inner : root, S3E_OK, err};
    *out = (struct s3e_recipe){
        .scale = 1.0F,
        .std = {1.0F, 1.0F, 1.0F},
    };
    if (!json_is_object(root)) {
        return s3e_fail(err, S3E_E_FORMAT,
            "not a JSON object or the name of a recipe in quotes");
    }
    if (inner || json_object_get(root, "input_size")) {
        read_timm(&p, out);
    } else {
        read_hugging_face(&p, out);
    }
    return p.rc;
}

static s3e_rc load(json_t **out, struct s3e_span json, struct s3e_err *err)
{
    json_error_t why;
    *out = json_loadb((const char *)json.ptr, json.len,
        JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    return *out ? S3E_OK
                : s3e_fail(err, S3E_E_FORMAT, "not JSON: %.200s at byte %d",
                      why.text, why.position);
}

static s3e_rc find_builtin(
    struct s3e_span *json, const char *name, struct s3e_err *err)
{
    struct s3e_buf names = S3E_BUF(NAMES_MAX);
    for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++) {
        if (strcmp(name, builtin[i].name) == 0) {
            *json = s3e_span_str(builtin[i].json);
            s3e_buf_free(&names);
            return S3E_OK;
        }
        s3e_buf_printf(&names, "%s%s", i ? ", " : "", builtin[i].name);
    }
    const s3e_rc rc = s3e_fail(err, S3E_E_INPUT,
        "no recipe is named \"%.64s\"; there are %.*s", name,
        S3E_SPAN_ARG(s3e_buf_span(&names)));
    s3e_buf_free(&names);
    return rc;
}

s3e_rc s3e_recipe_parse(
    struct s3e_recipe *out, struct s3e_span json, struct s3e_err *err)
{
    json_t *root = NULL;
    struct s3e_span named = {NULL, 0};
    s3e_rc rc = S3E_OK;
    if (json.len > S3E_RECIPE_JSON_MAX) {
        rc = s3e_fail(err, S3E_E_LIMIT, "JSON of more than %d bytes",
            S3E_RECIPE_JSON_MAX);
        goto done;
    }
    rc = load(&root, json, err);
    if (rc == S3E_OK && json_is_string(root)) {
        rc = find_builtin(&named, json_string_value(root), err);
        json_decref(root);
        root = NULL;
        if (rc == S3E_OK) {
            rc = load(&root, named, err);
        }
    }
    if (rc == S3E_OK) {
        rc = read_object(out, root, err);
    }
done:
    json_decref(root);
    return rc;
}
