#include "nn/resize.h"
#include "tests/harness.h"

/* The numbers of a linear congruential generator as pixels, or with `is_hard`
 * only 0 and 255, on which a bicubic overshoots. free(img.px) it. */
static struct s3e_image noise(size_t height, size_t width, bool is_hard)
{
    const size_t len = height * width * 3;
    struct s3e_image img = {malloc(len), height, width};
    uint32_t x = 1;
    CHECK(img.px != NULL);
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        const uint32_t v = x >> 24;
        img.px[i] = (uint8_t)(is_hard ? (v > 127 ? 255 : 0) : v);
    }
    return img;
}

static uint64_t fnv(const uint8_t *bytes, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static struct s3e_resize whole(
    enum s3e_filter filter, size_t height, size_t width)
{
    return (struct s3e_resize){.filter = filter,
        .height = height,
        .width = width,
        .rows = height,
        .cols = width};
}

/* An exact-size block, so that ASan sees a write past its end; free it. */
static uint8_t *run(const struct s3e_resize *job, const struct s3e_image *img)
{
    struct s3e_err err;
    uint8_t *out = malloc(job->rows * job->cols * 3);
    CHECK(out != NULL);
    CHECK_RC(s3e_resize_run(job, out, 3 * job->cols, img, &err), S3E_OK, &err);
    return out;
}

/* FNV-1a of Image.fromarray(noise).resize((width, height), filter) in Pillow
 * 13.0.0. Integer arithmetic: no tolerance. Pillow before 13 gives another
 * picture where the height goes first: 64x21 to 13x40, 64x60 to 40x58, 300x2
 * to 5x9. */
static void equals_pillow(void)
{
    static const struct {
        size_t in_height, in_width, height, width;
        enum s3e_filter filter;
        bool is_hard;
        uint64_t hash;
    } cases[] = {
        {9, 14, 5, 6, S3E_FILTER_BILINEAR, true, UINT64_C(0x05a5bf1fd72fe19b)},
        {9, 14, 5, 6, S3E_FILTER_BICUBIC, true, UINT64_C(0x8d3c4231b506807d)},
        {9, 14, 18, 28, S3E_FILTER_BILINEAR, true,
            UINT64_C(0x94bc54e7d036bc15)},
        {9, 14, 18, 28, S3E_FILTER_BICUBIC, true, UINT64_C(0x0f9bc767ba932f42)},
        {1, 1, 7, 5, S3E_FILTER_BILINEAR, false, UINT64_C(0xaf44f714a9a7e84c)},
        {1, 1, 7, 5, S3E_FILTER_BICUBIC, false, UINT64_C(0xaf44f714a9a7e84c)},
        {7, 5, 1, 1, S3E_FILTER_BILINEAR, false, UINT64_C(0x3db8931ae8793e1a)},
        {7, 5, 1, 1, S3E_FILTER_BICUBIC, false, UINT64_C(0x09c2991acb0b5327)},
        {40, 33, 40, 12, S3E_FILTER_BILINEAR, true,
            UINT64_C(0x56f04aac54c3cf96)},
        {40, 33, 40, 12, S3E_FILTER_BICUBIC, true,
            UINT64_C(0xb8af55465db4a699)},
        {40, 33, 11, 33, S3E_FILTER_BILINEAR, true,
            UINT64_C(0xa3375d203a2d03f9)},
        {40, 33, 11, 33, S3E_FILTER_BICUBIC, true,
            UINT64_C(0x726c5a2a9f8cac10)},
        {40, 33, 40, 33, S3E_FILTER_BILINEAR, true,
            UINT64_C(0xf1aa829e57ab8c23)},
        {40, 33, 40, 33, S3E_FILTER_BICUBIC, true,
            UINT64_C(0xf1aa829e57ab8c23)},
        {21, 64, 13, 65, S3E_FILTER_BILINEAR, true,
            UINT64_C(0x867c5f6338fbf6a9)},
        {21, 64, 13, 65, S3E_FILTER_BICUBIC, true,
            UINT64_C(0x7812d8c5e902ed2a)},
        {64, 21, 13, 40, S3E_FILTER_BILINEAR, true,
            UINT64_C(0x83ce604037251abc)},
        {64, 21, 13, 40, S3E_FILTER_BICUBIC, true,
            UINT64_C(0x2c880bd925461439)},
        {64, 60, 40, 58, S3E_FILTER_BILINEAR, false,
            UINT64_C(0x2c7398dcc4023fc9)},
        {64, 60, 40, 58, S3E_FILTER_BICUBIC, false,
            UINT64_C(0x0cfc0c810a8d21c3)},
        {100, 100, 128, 128, S3E_FILTER_BILINEAR, false,
            UINT64_C(0xea1516e9f8711edd)},
        {100, 100, 128, 128, S3E_FILTER_BICUBIC, false,
            UINT64_C(0x8a331a995ab30b2e)},
        {90, 100, 64, 48, S3E_FILTER_BILINEAR, false,
            UINT64_C(0x449f631350738617)},
        {90, 100, 64, 48, S3E_FILTER_BICUBIC, false,
            UINT64_C(0x47031906e2ddb114)},
        {300, 2, 5, 9, S3E_FILTER_BILINEAR, false,
            UINT64_C(0x0851c0d650cd2257)},
        {300, 2, 5, 9, S3E_FILTER_BICUBIC, false, UINT64_C(0xfcb5f6ab95a0d391)},
        {2, 300, 9, 5, S3E_FILTER_BILINEAR, false,
            UINT64_C(0x98b8ae19a37d1e2f)},
        {2, 300, 9, 5, S3E_FILTER_BICUBIC, false, UINT64_C(0xe28872120333f97d)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%zux%zu to %zux%zu, %d",
            cases[i].in_height, cases[i].in_width, cases[i].height,
            cases[i].width, (int)cases[i].filter);
        in_case(name);
        const struct s3e_image img =
            noise(cases[i].in_height, cases[i].in_width, cases[i].is_hard);
        const struct s3e_resize job =
            whole(cases[i].filter, cases[i].height, cases[i].width);
        uint8_t *out = run(&job, &img);
        CHECK(fnv(out, job.rows * job.cols * 3) == cases[i].hash);
        free(out);
        free(img.px);
    }
    in_case(NULL);
}

/* Any part is what cutting it out of the whole gives. */
static void a_part_is_the_cut_out(void)
{
    static const struct {
        size_t in_height, in_width;
        struct s3e_resize job;
    } cases[] = {
        {40, 50, {S3E_FILTER_BILINEAR, 20, 25, 3, 4, 11, 12}},
        {40, 50, {S3E_FILTER_BICUBIC, 90, 70, 88, 0, 2, 70}},
        {40, 50, {S3E_FILTER_BICUBIC, 90, 50, 0, 49, 90, 1}},
        {40, 50, {S3E_FILTER_BILINEAR, 40, 9, 39, 8, 1, 1}},
        {40, 50, {S3E_FILTER_BILINEAR, 40, 50, 5, 6, 7, 8}},
        {90, 40, {S3E_FILTER_BILINEAR, 20, 39, 5, 7, 9, 30}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct s3e_resize *job = &cases[i].job;
        const struct s3e_resize all =
            whole(job->filter, job->height, job->width);
        const struct s3e_image img =
            noise(cases[i].in_height, cases[i].in_width, false);
        uint8_t *part = run(job, &img), *full = run(&all, &img);
        for (size_t y = 0; y < job->rows; y++) {
            const uint8_t *want =
                full + 3 * ((job->top + y) * job->width + job->left);
            CHECK(memcmp(part + 3 * y * job->cols, want, 3 * job->cols) == 0);
        }
        free(full);
        free(part);
        free(img.px);
    }
}

static void rows_may_lie_apart(void)
{
    enum { HEIGHT = 5, WIDTH = 6, STRIDE = 3 * WIDTH + 7 };
    const struct s3e_image img = noise(9, 14, false);
    const struct s3e_resize job = whole(S3E_FILTER_BILINEAR, HEIGHT, WIDTH);
    uint8_t *want = run(&job, &img), out[HEIGHT * STRIDE];
    struct s3e_err err;
    memset(out, 0xa5, sizeof out);
    CHECK_RC(s3e_resize_run(&job, out, STRIDE, &img, &err), S3E_OK, &err);
    for (size_t y = 0; y < HEIGHT; y++) {
        const uint8_t *row = out + y * STRIDE;
        CHECK(memcmp(row, want + 3 * y * WIDTH, 3 * (size_t)WIDTH) == 0);
        for (size_t i = 3 * (size_t)WIDTH; i < STRIDE; i++) {
            CHECK(row[i] == 0xa5); /* what lies between is not ours */
        }
    }
    free(want);
    free(img.px);
}

/* Weights of up to 32,768 taps are rounded and still sum to one. */
static void a_flat_image_stays_flat(void)
{
    static const struct s3e_resize jobs[] = {
        {S3E_FILTER_BILINEAR, 1, 1, 0, 0, 1, 1},
        {S3E_FILTER_BICUBIC, 1, 3, 0, 0, 1, 3},
        {S3E_FILTER_BICUBIC, 100000, 3, 99999, 1, 1, 1},
    };
    struct s3e_image img = {NULL, S3E_IMAGE_SIDE_MAX, 2};
    const size_t len = img.height * img.width * 3;
    img.px = malloc(len);
    CHECK(img.px != NULL);
    for (int value = 0; value < 256; value += 51) {
        memset(img.px, value, len);
        for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
            uint8_t *out = run(&jobs[i], &img);
            for (size_t j = 0; j < jobs[i].cols * jobs[i].rows * 3; j++) {
                CHECK(out[j] == value);
            }
            free(out);
        }
    }
    free(img.px);
}

static void too_large_half_way_is_refused(void)
{
    const struct s3e_resize job = whole(S3E_FILTER_BILINEAR, 1, 10000);
    const struct s3e_image img = noise(S3E_IMAGE_SIDE_MAX, 1, false);
    const struct s3e_resize wide = {
        S3E_FILTER_BILINEAR, 40000, 10000, 0, 0, 40000, 10000};
    uint8_t nowhere[1];
    struct s3e_err err;
    CHECK(s3e_resize_run(&wide, nowhere, 30000, &img, &err) == S3E_E_LIMIT);
    CHECK_STR(err.msg, "resizing an image needs 10000x32768 pixels half-way: "
                       "more than 512 MiB");
    uint8_t *out = run(&job, &img); /* height first: little to hold */
    free(out);
    free(img.px);
}

static s3e_rc resize_some(void *ctx)
{
    static const struct s3e_resize jobs[] = {
        {S3E_FILTER_BILINEAR, 20, 25, 3, 4, 11, 12},
        {S3E_FILTER_BICUBIC, 9, 31, 0, 0, 9, 31}, /* height first */
        {S3E_FILTER_BICUBIC, 30, 7, 0, 0, 30, 7}, /* one pass */
    };
    const struct s3e_image *img = ctx;
    uint8_t out[3 * 31 * 30];
    s3e_rc rc = S3E_OK;
    for (size_t i = 0; rc == S3E_OK && i < 3; i++) {
        struct s3e_err err;
        rc = s3e_resize_run(&jobs[i], out, 3 * jobs[i].cols, img, &err);
        CHECK(!rc || strcmp(err.msg, "no memory to resize an image") == 0);
    }
    return rc;
}

int main(void)
{
    count_allocations();
    equals_pillow();
    a_part_is_the_cut_out();
    rows_may_lie_apart();
    a_flat_image_stays_flat();
    too_large_half_way_is_refused();
    struct s3e_image img = noise(30, 32, false);
    sweep_allocations(resize_some, &img);
    free(img.px);
    CHECK(live_allocations() == 0);
    return 0;
}
