#include "nn/image.h"
#include "tests/harness.h"

static void what_is_no_image_is_named(void)
{
    static const struct {
        struct s3e_span bytes;
        const char *msg;
    } cases[] = {
        {{(const uint8_t *)"<?xml versio", 12},
            "not an image we read: 12 bytes beginning 3c3f786d"},
        {{(const uint8_t *)"\x89PNG\r\n", 6}, "a PNG; only JPEG is read"},
        {{(const uint8_t *)"GIF89a", 6}, "a GIF; only JPEG is read"},
        {{(const uint8_t *)"RIFF\1\2\3\4WEBPVP8", 15},
            "a WebP; only JPEG is read"},
        {{(const uint8_t *)"RIFF\1\2\3\4WEB", 11},
            "not an image we read: 11 bytes beginning 52494646"},
        {{(const uint8_t *)"BM\1\2", 4}, "a BMP; only JPEG is read"},
        {{(const uint8_t *)"II*\0", 4}, "a TIFF; only JPEG is read"},
        {{(const uint8_t *)"MM\0*", 4}, "a TIFF; only JPEG is read"},
        {{(const uint8_t *)"\0\0\0\30ftypheic", 12},
            "a HEIC; only JPEG is read"},
        {{(const uint8_t *)"\xff\xd8", 2},
            "not an image we read: 2 bytes beginning ffd8"},
        {{(const uint8_t *)"", 1}, "not an image we read: 1 byte beginning 00"},
        {{NULL, 0}, "not an image: 0 bytes"},
        {{(const uint8_t *)"\xff\xd8\xff", 3},
            "not a JPEG we can decode: the file is cut short"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_image_info info;
        struct s3e_image img = {NULL, 7, 7};
        struct s3e_err err;
        CHECK(s3e_image_read_info(&info, cases[i].bytes, &err) == S3E_E_FORMAT);
        CHECK_STR(err.msg, cases[i].msg);
        CHECK(s3e_image_decode(&img, cases[i].bytes, &err) == S3E_E_FORMAT);
        CHECK_STR(err.msg, cases[i].msg);
        CHECK(!img.px && !img.height && !img.width); /* zero state */
    }
}

static s3e_rc decode(void *ctx)
{
    const struct s3e_span *bytes = ctx;
    struct s3e_image img;
    struct s3e_err err;
    const s3e_rc rc = s3e_image_decode(&img, *bytes, &err);
    CHECK(rc || (img.px && img.height == 200 && img.width == 200));
    CHECK(!rc || (!img.px && !img.height && !img.width));
    s3e_image_deinit(&img);
    return rc;
}

int main(void)
{
    count_allocations();
    what_is_no_image_is_named();
    struct s3e_span apple = read_file("examples/apple/apple_01.jpg");
    CHECK(decode(&apple) == S3E_OK);
    sweep_allocations(decode, &apple);
    free((void *)(uintptr_t)apple.ptr);
    CHECK(live_allocations() == 0);
    return 0;
}
