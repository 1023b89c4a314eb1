/* Any bytes: the header and the decoder agree on whether they are a picture
 * and how large, within the caps, twice the same; a refusal says why. */
#include "nn/image.h"
#include "tests/harness.h"

enum { PIXELS_MAX = 1 << 18 }; /* more costs time and shows nothing new */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct s3e_span bytes = {data, len};
    struct s3e_image_info info = {NULL, 0, 0, 0, 0};
    struct s3e_image img, again;
    struct s3e_err err = {"", ""};
    const s3e_rc rc = s3e_image_read_info(&info, bytes, &err);
    if (rc) {
        CHECK(err.msg[0]);
        CHECK(s3e_image_decode(&img, bytes, &err) == rc);
        return 0;
    }
    CHECK(info.height >= 1 && info.height <= S3E_IMAGE_SIDE_MAX);
    CHECK(info.width >= 1 && info.width <= S3E_IMAGE_SIDE_MAX);
    CHECK(info.height * info.width <= S3E_IMAGE_PIXELS_MAX);
    CHECK(info.orientation >= 1 && info.orientation <= 8);
    CHECK(info.channels == 1 || info.channels == 3 || info.channels == 4);
    if (info.height * info.width > PIXELS_MAX) {
        return 0;
    }
    if (s3e_image_decode(&img, bytes, &err)) {
        CHECK(err.msg[0] && !img.px);
        return 0;
    }
    CHECK(img.height == info.height && img.width == info.width);
    CHECK_RC(s3e_image_decode(&again, bytes, &err), S3E_OK, &err);
    CHECK(memcmp(img.px, again.px, img.height * img.width * 3) == 0);
    s3e_image_deinit(&again);
    s3e_image_deinit(&img);
    return 0;
}
