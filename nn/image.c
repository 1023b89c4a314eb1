#include "nn/image.h"

#include "base/mem.h"
#include "nn/jpeg.h"

#include <assert.h>
#include <stdio.h>

static const struct s3e_image_format *const g_formats[] = {
    &s3e_jpeg_format, NULL};

/* What people have beside JPEGs, by the bytes at `at`. */
static const struct {
    const char *name;
    size_t at;
    const char *bytes;
    size_t len;
} g_others[] = {{"a PNG", 0, "\x89PNG", 4}, {"a GIF", 0, "GIF8", 4},
    {"a WebP", 8, "WEBP", 4}, {"a BMP", 0, "BM", 2}, {"a TIFF", 0, "II*\0", 4},
    {"a TIFF", 0, "MM\0*", 4}, {"a HEIC", 4, "ftyphe", 6},
    {"a HEIC", 4, "ftypmif1", 8}, {"an AVIF", 4, "ftypavif", 8}};

static const char *name_of(struct s3e_span bytes)
{
    for (size_t i = 0; i < sizeof g_others / sizeof *g_others; i++) {
        const struct s3e_span want = {
            (const uint8_t *)g_others[i].bytes, g_others[i].len};
        if (bytes.len > g_others[i].at &&
            s3e_span_starts(s3e_span_from(bytes, g_others[i].at), want)) {
            return g_others[i].name;
        }
    }
    return NULL;
}

static s3e_rc refuse(struct s3e_span bytes, struct s3e_err *err)
{
    char hex[9] = "";
    const size_t num = bytes.len < 4 ? bytes.len : 4;
    if (num == 0) {
        return s3e_fail(err, S3E_E_FORMAT, "not an image: 0 bytes");
    }
    const char *name = name_of(bytes);
    if (name) {
        return s3e_fail(err, S3E_E_FORMAT, "%s; only JPEG is read", name);
    }
    for (size_t i = 0; i < num; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", bytes.ptr[i]);
    }
    return s3e_fail(err, S3E_E_FORMAT,
        "not an image we read: %zu byte%s beginning %s", bytes.len,
        bytes.len == 1 ? "" : "s", hex);
}

static s3e_rc check_size(const struct s3e_image_info *info, struct s3e_err *err)
{
    const size_t height = info->height, width = info->width;
    if (height > S3E_IMAGE_SIDE_MAX || width > S3E_IMAGE_SIDE_MAX) {
        return s3e_fail(err, S3E_E_LIMIT,
            "an image of %zux%zu pixels: %d a side is the most we decode",
            width, height, S3E_IMAGE_SIDE_MAX);
    }
    if (height * width > S3E_IMAGE_PIXELS_MAX) {
        return s3e_fail(err, S3E_E_LIMIT,
            "an image of %zux%zu pixels: %d in all is the most we decode",
            width, height, S3E_IMAGE_PIXELS_MAX);
    }
    return S3E_OK;
}

static s3e_rc open_image(const struct s3e_image_format **format,
    struct s3e_image_info *info, struct s3e_span bytes, struct s3e_err *err)
{
    size_t i = 0;
    while (g_formats[i] && !g_formats[i]->sniff(bytes)) {
        i++;
    }
    *format = g_formats[i];
    if (!*format) {
        return refuse(bytes, err);
    }
    const s3e_rc rc = (*format)->info(info, bytes, err);
    return rc ? rc : check_size(info, err);
}

s3e_rc s3e_image_read_info(
    struct s3e_image_info *out, struct s3e_span bytes, struct s3e_err *err)
{
    const struct s3e_image_format *format = NULL;
    return open_image(&format, out, bytes, err);
}

s3e_rc s3e_image_decode(
    struct s3e_image *out, struct s3e_span bytes, struct s3e_err *err)
{
    const struct s3e_image_format *format = NULL;
    struct s3e_image_info info = {NULL, 0, 0, 0, 0};
    uint8_t *px = NULL;
    *out = (struct s3e_image){NULL, 0, 0};
    s3e_rc rc = open_image(&format, &info, bytes, err);
    if (rc) {
        goto done;
    }
    assert(format);
    px = s3e_alloc_array(info.height * info.width, 3);
    if (!px) {
        rc = s3e_fail(err, S3E_E_NOMEM, "no memory for %zux%zu pixels",
            info.width, info.height);
        goto done;
    }
    rc = format->decode(px, &info, bytes, err);
    if (rc == S3E_OK) {
        *out = (struct s3e_image){px, info.height, info.width};
        px = NULL;
    }
done:
    s3e_free(px);
    return rc;
}

void s3e_image_deinit(struct s3e_image *img)
{
    s3e_free(img->px);
    *img = (struct s3e_image){NULL, 0, 0};
}
