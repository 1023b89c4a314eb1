#include "nn/jpeg.h"
#include "tests/harness.h"

#include <jpeglib.h>

/* The pictures are made here, by the encoder of the same library. */
struct kind {
    const char *name;
    J_COLOR_SPACE from, stored;
    int channels;
    int progressive, restart, chroma; /* chroma: pixels a sample, each way */
    struct s3e_span app1;             /* a segment, or nothing */
};

enum { HEIGHT = 45, WIDTH = 70 };

static const struct kind kinds[] = {
    {"grey", JCS_GRAYSCALE, JCS_GRAYSCALE, 1, 0, 0, 1, {0}},
    {"grey, progressive", JCS_GRAYSCALE, JCS_GRAYSCALE, 1, 1, 0, 1, {0}},
    {"4:4:4", JCS_RGB, JCS_YCbCr, 3, 0, 0, 1, {0}},
    {"4:2:0", JCS_RGB, JCS_YCbCr, 3, 0, 0, 2, {0}},
    {"4:2:0, progressive", JCS_RGB, JCS_YCbCr, 3, 1, 0, 2, {0}},
    {"4:2:0, restarts", JCS_RGB, JCS_YCbCr, 3, 0, 2, 2, {0}},
    {"RGB as it is", JCS_RGB, JCS_RGB, 3, 0, 0, 1, {0}},
    {"CMYK", JCS_CMYK, JCS_CMYK, 4, 0, 0, 1, {0}},
    {"YCCK", JCS_CMYK, JCS_YCCK, 4, 0, 0, 1, {0}},
    {"CMYK, progressive", JCS_CMYK, JCS_CMYK, 4, 1, 0, 1, {0}},
};

enum { NUM_KINDS = sizeof kinds / sizeof *kinds };

/* A smooth picture, so that a good quality loses little. */
static uint8_t sample(size_t y, size_t x, int channel)
{
    const size_t wave[] = {3 * x, 5 * y, x + 2 * y, 255 - x - y};
    return (uint8_t)(wave[channel] < 255 ? wave[channel] : 255);
}

static void describe(struct jpeg_compress_struct *c, const struct kind *kind)
{
    c->image_height = HEIGHT;
    c->image_width = WIDTH;
    c->input_components = kind->channels;
    c->in_color_space = kind->from;
    jpeg_set_defaults(c);
    jpeg_set_colorspace(c, kind->stored);
    jpeg_set_quality(c, 100, TRUE);
    c->comp_info[0].h_samp_factor = kind->chroma;
    c->comp_info[0].v_samp_factor = kind->chroma;
    c->restart_interval = (unsigned)kind->restart;
    if (kind->progressive) {
        jpeg_simple_progression(c);
    }
}

/* free(out.ptr) it. */
static struct s3e_span encode(const struct kind *kind)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long len = 0;
    c.err = jpeg_std_error(&errors); /* ends the test */
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &len);
    describe(&c, kind);
    jpeg_start_compress(&c, TRUE);
    if (kind->app1.len) {
        jpeg_write_marker(
            &c, JPEG_APP0 + 1, kind->app1.ptr, (unsigned)kind->app1.len);
    }
    while (c.next_scanline < HEIGHT) {
        uint8_t row[4 * WIDTH];
        JSAMPROW rows[] = {row};
        for (size_t i = 0; i < (size_t)kind->channels * WIDTH; i++) {
            row[i] = sample(c.next_scanline, i / (size_t)kind->channels,
                (int)(i % (size_t)kind->channels));
        }
        CHECK(jpeg_write_scanlines(&c, rows, 1) == 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    return (struct s3e_span){bytes, len};
}

static void drop(struct s3e_span bytes)
{
    free((void *)(uintptr_t)bytes.ptr);
}

static s3e_rc try_decode(struct s3e_span bytes, struct s3e_err *err)
{
    struct s3e_image img;
    const s3e_rc rc = s3e_image_decode(&img, bytes, err);
    s3e_image_deinit(&img);
    return rc;
}

/* What a pixel of the picture is in RGB, as Pillow converts. */
static int expected(const struct kind *kind, size_t y, size_t x, int channel)
{
    if (kind->channels == 1) {
        return sample(y, x, 0);
    }
    if (kind->channels == 3) {
        return sample(y, x, channel);
    }
    const int light = sample(y, x, 3), ink = 255 - sample(y, x, channel);
    return light - (ink * light + 127) / 255;
}

static void every_kind_decodes(void)
{
    for (size_t k = 0; k < NUM_KINDS; k++) {
        const struct s3e_span bytes = encode(&kinds[k]);
        struct s3e_image_info info;
        struct s3e_image img;
        struct s3e_err err;
        in_case(kinds[k].name);
        CHECK_RC(s3e_image_read_info(&info, bytes, &err), S3E_OK, &err);
        CHECK_STR(info.format, "jpeg");
        CHECK(info.height == HEIGHT && info.width == WIDTH);
        CHECK(info.channels == kinds[k].channels && info.orientation == 1);
        CHECK_RC(s3e_image_decode(&img, bytes, &err), S3E_OK, &err);
        CHECK(img.height == HEIGHT && img.width == WIDTH);
        for (size_t i = 0; i < (size_t)HEIGHT * WIDTH * 3; i++) {
            const int want =
                expected(&kinds[k], i / 3 / WIDTH, i / 3 % WIDTH, (int)(i % 3));
            const int off = img.px[i] - want;
            /* Two roundings at quality 100, and chroma of 2 x 2 pixels. */
            CHECK(abs(off) <= (kinds[k].chroma == 2 ? 8 : 4));
        }
        s3e_image_deinit(&img);
        drop(bytes);
    }
    in_case(NULL);
}

/* A file without its last pixel is refused; one that lacks bytes behind it
 * passes, as Pillow has it. */
static void a_cut_file_is_refused(void)
{
    for (size_t k = 0; k < NUM_KINDS; k++) {
        const struct s3e_span bytes = encode(&kinds[k]);
        in_case(kinds[k].name);
        for (size_t len = 3; len < bytes.len; len += len < 700 ? 1 : 37) {
            struct s3e_err err;
            uint8_t *cut = malloc(len); /* exact, for ASan */
            CHECK(cut != NULL);
            memcpy(cut, bytes.ptr, len);
            const s3e_rc rc = try_decode((struct s3e_span){cut, len}, &err);
            CHECK_RC(rc, S3E_E_FORMAT, &err);
            CHECK_STR(
                err.msg, "not a JPEG we can decode: the file is cut short");
            free(cut);
        }
        drop(bytes);
    }
    in_case(NULL);
}

static void what_stands_behind_the_pixels_may_be_wrong(void)
{
    static const uint8_t tail[] = {0xff, 0xe0, 0xff, 0xff, 'x'};
    const struct s3e_span bytes = encode(&kinds[2]);
    struct s3e_err err;
    uint8_t *more = malloc(bytes.len + sizeof tail);
    CHECK(more != NULL);
    memcpy(more, bytes.ptr, bytes.len - 2); /* without the end of image */
    memcpy(more + bytes.len - 2, tail, sizeof tail);
    const struct s3e_span odd = {more, bytes.len - 2 + sizeof tail};
    CHECK_RC(try_decode(odd, &err), S3E_OK, &err);
    free(more);
    drop(bytes);
}

/* Where a marker's segment begins (at its 0xff), from `from` on; the last one
 * with `last`. */
static size_t find_marker(struct s3e_span bytes, uint8_t marker, bool last)
{
    size_t found = bytes.len;
    for (size_t i = 2; i + 1 < bytes.len && (last || found == bytes.len); i++) {
        if (bytes.ptr[i] == 0xff && bytes.ptr[i + 1] == marker) {
            found = i;
        }
    }
    CHECK(found < bytes.len);
    return found;
}

enum { SOF0 = 0xc0, SOF2 = 0xc2, SOS = 0xda };

static void what_we_do_not_read_is_named(void)
{
    static const struct {
        const char *name;
        size_t at; /* from the frame header's marker */
        uint8_t value;
        const char *why;
    } cases[] = {
        {"12 bits", 4, 12, "Unsupported JPEG data precision 12"},
        {"lossless", 1, 0xc3, "Unsupported JPEG process: SOF type 0xc3"},
        {"hierarchical", 1, 0xc5, "Unsupported JPEG process: SOF type 0xc5"},
        {"no rows", 6, 0, "Empty JPEG image (DNL not supported)"},
    };
    const struct s3e_span bytes = encode(&kinds[2]);
    const size_t frame = find_marker(bytes, SOF0, false);
    uint8_t *own = (uint8_t *)(uintptr_t)bytes.ptr;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_err err;
        const uint8_t old = own[frame + cases[i].at];
        in_case(cases[i].name);
        own[frame + cases[i].at] = cases[i].value;
        CHECK_RC(try_decode(bytes, &err), S3E_E_FORMAT, &err);
        /* Newer libjpegs read the header and are refused by us. */
        CHECK(strstr(err.msg, cases[i].why) || strstr(err.msg, "8 is read") ||
              strstr(err.msg, "lossless"));
        own[frame + cases[i].at] = old;
    }
    in_case(NULL);
    drop(bytes);
}

/* The same picture, its frame said to be of this size. */
static void claim_size(
    struct s3e_span bytes, uint8_t marker, size_t height, size_t width)
{
    uint8_t *frame =
        (uint8_t *)(uintptr_t)bytes.ptr + find_marker(bytes, marker, false);
    frame[5] = (uint8_t)(height >> 8);
    frame[6] = (uint8_t)height;
    frame[7] = (uint8_t)(width >> 8);
    frame[8] = (uint8_t)width;
}

static void bombs_are_refused_by_their_header(void)
{
    static const struct {
        size_t height, width;
        const char *why;
    } cases[] = {
        {65500, 65500,
            "an image of 65500x65500 pixels: 32768 a side is the most we "
            "decode"},
        {1, 32769,
            "an image of 32769x1 pixels: 32768 a side is the most we decode"},
        {20000, 20000,
            "an image of 20000x20000 pixels: 100000000 in all is the most we "
            "decode"},
    };
    const struct s3e_span bytes = encode(&kinds[2]);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_err err;
        struct s3e_image_info info;
        claim_size(bytes, SOF0, cases[i].height, cases[i].width);
        const long before = live_allocations();
        CHECK(s3e_image_read_info(&info, bytes, &err) == S3E_E_LIMIT);
        CHECK_STR(err.msg, cases[i].why);
        CHECK(try_decode(bytes, &err) == S3E_E_LIMIT);
        CHECK_STR(err.msg, cases[i].why);
        CHECK(live_allocations() == before);
    }
    drop(bytes);
}

static void a_picture_in_scans_has_a_memory_limit(void)
{
    static const struct kind kind = {"", JCS_RGB, JCS_YCbCr, 3, 1, 0, 1, {0}};
    const struct s3e_span bytes = encode(&kind);
    struct s3e_err err;
    claim_size(bytes, SOF2, 9999, 10000);
    CHECK_RC(try_decode(bytes, &err), S3E_E_LIMIT, &err);
    CHECK_STR(err.msg,
        "a JPEG of 10000x9999 pixels in several scans needs more than 512 MiB "
        "to decode; store it as baseline");
    drop(bytes);
}

/* The last scan of a progressive picture, over and over. */
static void endless_scans_are_refused(void)
{
    enum { TIMES = 200 };
    const struct s3e_span bytes = encode(&kinds[1]);
    const size_t scan = find_marker(bytes, SOS, true);
    const size_t len = bytes.len - 2 - scan;
    uint8_t *many = malloc(bytes.len + TIMES * len);
    struct s3e_err err;
    CHECK(many != NULL);
    memcpy(many, bytes.ptr, bytes.len - 2);
    size_t end = bytes.len - 2;
    for (int i = 0; i < TIMES; i++, end += len) {
        memcpy(many + end, bytes.ptr + scan, len);
    }
    memcpy(many + end, bytes.ptr + bytes.len - 2, 2);
    CHECK_RC(
        try_decode((struct s3e_span){many, end + 2}, &err), S3E_E_LIMIT, &err);
    CHECK_STR(err.msg, "a JPEG in more than 100 scans; store it anew");
    free(many);
    drop(bytes);
}

#define EXIF   "Exif\0\0"
#define LITTLE "II*\0\x08\0\0\0"
#define BIG    "MM\0*\0\0\0\x08"

static void orientation_is_read_from_exif(void)
{
    const struct {
        const char *name;
        struct s3e_span app1;
        int orientation;
    } cases[] = {
        {"little", S3E_LIT(EXIF LITTLE "\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"), 6},
        {"big", S3E_LIT(EXIF BIG "\0\1\1\x12\0\3\0\0\0\1\0\x08\0\0"), 8},
        {"second entry",
            S3E_LIT(EXIF LITTLE "\2\0\x0f\1\2\0\1\0\0\0\6\0\0\0"
                                "\x12\1\3\0\1\0\0\0\3\0\0\0"),
            3},
        {"0", S3E_LIT(EXIF LITTLE "\1\0\x12\1\3\0\1\0\0\0\0\0\0\0"), 1},
        {"9", S3E_LIT(EXIF LITTLE "\1\0\x12\1\3\0\1\0\0\0\x09\0\0\0"), 1},
        {"no such entry", S3E_LIT(EXIF LITTLE "\1\0\x0f\1\3\0\1\0\0\0\6\0\0\0"),
            1},
        {"entries that are not there", S3E_LIT(EXIF LITTLE "\xff\xff"), 1},
        {"cut in the value", S3E_LIT(EXIF LITTLE "\1\0\x12\1\3\0\1\0\0\0\6"),
            1},
        {"directory out of the file",
            S3E_LIT(EXIF "II*\0\xff\xff\xff\xff\1\0\x12\1"), 1},
        {"no byte order", S3E_LIT(EXIF "XX*\0\x08\0\0\0\1\0\x12\1"), 1},
        {"nothing", S3E_LIT(EXIF), 1},
        {"XMP", S3E_LIT("http://ns.adobe.com/xap/1.0/\0<x/>"), 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kind kind = kinds[2];
        struct s3e_image_info info;
        struct s3e_err err;
        in_case(cases[i].name);
        kind.app1 = cases[i].app1;
        const struct s3e_span bytes = encode(&kind);
        CHECK_RC(s3e_image_read_info(&info, bytes, &err), S3E_OK, &err);
        CHECK(info.orientation == cases[i].orientation);
        CHECK(info.height == HEIGHT && info.width == WIDTH); /* not turned */
        drop(bytes);
    }
    in_case(NULL);
}

int main(void)
{
    count_allocations();
    every_kind_decodes();
    a_cut_file_is_refused();
    what_stands_behind_the_pixels_may_be_wrong();
    what_we_do_not_read_is_named();
    bombs_are_refused_by_their_header();
    a_picture_in_scans_has_a_memory_limit();
    endless_scans_are_refused();
    orientation_is_read_from_exif();
    CHECK(live_allocations() == 0);
    return 0;
}
