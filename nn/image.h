/* nn/image.h - bytes of a picture -> RGB pixels in memory of the caller's. */
#ifndef S3E_NN_IMAGE_H
#define S3E_NN_IMAGE_H

#include "base/span.h"
#include "base/status.h"

enum {
    S3E_IMAGE_SIDE_MAX = 32768,          /* pixels */
    S3E_IMAGE_PIXELS_MAX = 100 * 1000000 /* height * width */
};

/* What the header says. */
struct s3e_image_info {
    const char *format;   /* "jpeg" */
    size_t height, width; /* pixels, 1..S3E_IMAGE_SIDE_MAX */
    int channels;         /* 1 grey, 3 colour, 4 CMYK: as stored */
    int orientation;      /* EXIF 1..8; 1 where there is none; not applied */
};

/* A picture, [height, width, 3] uint8, R first, sRGB 0..255, rows without
 * gaps. Zero state: all zeros. */
struct s3e_image {
    uint8_t *px; /* owned; s3e_image_deinit */
    size_t height, width;
};
void s3e_image_deinit(struct s3e_image *img);

/* A format: add one by writing its file and a line in the table of image.c. */
struct s3e_image_format {
    const char *name;
    bool (*sniff)(struct s3e_span bytes); /* by the first bytes */
    s3e_rc (*info)(
        struct s3e_image_info *out, struct s3e_span bytes, struct s3e_err *err);
    /* `px` has room for info.height * info.width * 3 bytes. */
    s3e_rc (*decode)(uint8_t *px, const struct s3e_image_info *info,
        struct s3e_span bytes, struct s3e_err *err);
};

/* Reads the header of `bytes`, decoding no pixel.
 *
 * Errors  S3E_E_FORMAT ("a PNG; only JPEG is read", "not an image we read: 12
 *         bytes beginning 3c3f786d", or what is broken), S3E_E_LIMIT (more pixels than the caps).
 * Thread  any. */
S3E_MUST_CHECK s3e_rc s3e_image_read_info(
    struct s3e_image_info *out, struct s3e_span bytes, struct s3e_err *err);

/* Decodes `bytes` as Pillow's convert('RGB') would.
 *
 * out     owned by the caller; zero state on failure.
 * Errors  as above, and S3E_E_NOMEM. A file cut short is S3E_E_FORMAT.
 * Thread  any. */
S3E_MUST_CHECK s3e_rc s3e_image_decode(
    struct s3e_image *out, struct s3e_span bytes, struct s3e_err *err);

#endif
