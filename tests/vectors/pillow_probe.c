/* pillow_probe - does to images what it reads on standard input, for
 * test_pillow.py. A request is a line:
 *
 *   info FILE                        -> height width channels orientation
 *   decode FILE                      -> height width, pixels
 *   resize FILE FILTER HEIGHT WIDTH  -> height width, pixels
 *   apply FILE RECIPE                -> height width, float32 values
 *   write RECIPE                     -> 0 0, the recipe as it is written
 *   time FILE FILTER HEIGHT WIDTH    -> nanoseconds of one resize, 0
 *
 * FILE is without spaces, RECIPE is JSON to the end of the line, FILTER 2
 * (bilinear) or 3 (bicubic). An answer is a line "ok LENGTH A B C D", then
 * LENGTH bytes, or a line "error CODE SENTENCE". */
#include "base/clock.h"
#include "nn/resize.h"
#include "tests/harness.h"

enum { LINE = 65536 };

struct answer {
    size_t numbers[4];
    void *bytes;
    size_t len;
};

static s3e_rc decode_file(
    struct s3e_image *img, const char *path, struct s3e_err *err)
{
    const struct s3e_span file = read_file(path);
    const s3e_rc rc = s3e_image_decode(img, file, err);
    free((void *)(uintptr_t)file.ptr);
    return rc;
}

static s3e_rc info(struct answer *out, const char *path, struct s3e_err *err)
{
    struct s3e_image_info info;
    const struct s3e_span file = read_file(path);
    const s3e_rc rc = s3e_image_read_info(&info, file, err);
    free((void *)(uintptr_t)file.ptr);
    if (rc == S3E_OK) {
        out->numbers[0] = info.height;
        out->numbers[1] = info.width;
        out->numbers[2] = (size_t)info.channels;
        out->numbers[3] = (size_t)info.orientation;
    }
    return rc;
}

static void room(struct answer *out, size_t height, size_t width, size_t each)
{
    out->numbers[0] = height;
    out->numbers[1] = width;
    out->len = height * width * each;
    out->bytes = malloc(out->len);
    CHECK(out->bytes != NULL);
}

static s3e_rc decode(struct answer *out, const char *path, struct s3e_err *err)
{
    struct s3e_image img;
    const s3e_rc rc = decode_file(&img, path, err);
    if (rc == S3E_OK) {
        room(out, img.height, img.width, 3);
        memcpy(out->bytes, img.px, out->len);
    }
    s3e_image_deinit(&img);
    return rc;
}

static struct s3e_resize whole(int filter, size_t height, size_t width)
{
    return (struct s3e_resize){
        .filter = filter == 3 ? S3E_FILTER_BICUBIC : S3E_FILTER_BILINEAR,
        .height = height,
        .width = width,
        .rows = height,
        .cols = width,
    };
}

static s3e_rc resize(struct answer *out, const char *path,
    const struct s3e_resize *job, struct s3e_err *err)
{
    struct s3e_image img;
    s3e_rc rc = decode_file(&img, path, err);
    if (rc == S3E_OK) {
        room(out, job->rows, job->cols, 3);
        rc = s3e_resize_run(job, out->bytes, 3 * job->cols, &img, err);
    }
    s3e_image_deinit(&img);
    return rc;
}

static s3e_rc time_resize(struct answer *out, const char *path,
    const struct s3e_resize *job, struct s3e_err *err)
{
    enum { TIMES = 20 };
    struct s3e_image img;
    s3e_rc rc = decode_file(&img, path, err);
    uint8_t *px = malloc(3 * job->rows * job->cols);
    CHECK(px != NULL);
    const int64_t start = s3e_clock_us();
    for (int i = 0; rc == S3E_OK && i < TIMES; i++) {
        rc = s3e_resize_run(job, px, 3 * job->cols, &img, err);
    }
    out->numbers[0] = (size_t)(s3e_clock_us() - start) * 1000 / TIMES;
    free(px);
    s3e_image_deinit(&img);
    return rc;
}

static s3e_rc apply(
    struct answer *out, const char *path, const char *json, struct s3e_err *err)
{
    struct s3e_image img = {NULL, 0, 0};
    struct s3e_recipe recipe;
    size_t height = 0, width = 0;
    s3e_rc rc = s3e_recipe_parse(&recipe, s3e_span_str(json), err);
    if (rc == S3E_OK) {
        rc = decode_file(&img, path, err);
    }
    if (rc == S3E_OK) {
        CHECK(s3e_recipe_size(&recipe, &height, &width));
        room(out, height, width, 3 * sizeof(float));
        rc = s3e_recipe_apply(&recipe, out->bytes, &img, err);
    }
    s3e_image_deinit(&img);
    return rc;
}

static s3e_rc write(struct answer *out, const char *json, struct s3e_err *err)
{
    struct s3e_recipe recipe;
    struct s3e_buf text = S3E_BUF(4096);
    const s3e_rc rc = s3e_recipe_parse(&recipe, s3e_span_str(json), err);
    if (rc == S3E_OK) {
        s3e_recipe_write(&recipe, &text);
        CHECK(s3e_buf_check(&text, "recipe", err) == S3E_OK);
        room(out, 1, 1, text.len);
        memcpy(out->bytes, text.ptr, text.len);
    }
    s3e_buf_free(&text);
    return rc;
}

static s3e_rc serve(struct answer *out, const char *line, struct s3e_err *err)
{
    char verb[16], path[1024];
    int filter = 0, rest = 0;
    size_t height = 0, width = 0;
    CHECK(sscanf(line, "%15s %n", verb, &rest) == 1);
    if (strcmp(verb, "write") == 0) {
        return write(out, line + rest, err);
    }
    CHECK(sscanf(line, "%*s %1023s %n", path, &rest) == 1);
    if (strcmp(verb, "info") == 0) {
        return info(out, path, err);
    }
    if (strcmp(verb, "decode") == 0) {
        return decode(out, path, err);
    }
    if (strcmp(verb, "apply") == 0) {
        return apply(out, path, line + rest, err);
    }
    CHECK(sscanf(line + rest, "%d %zu %zu", &filter, &height, &width) == 3);
    const struct s3e_resize job = whole(filter, height, width);
    return strcmp(verb, "time") == 0 ? time_resize(out, path, &job, err)
                                     : resize(out, path, &job, err);
}

int main(void)
{
    static char line[LINE];
    while (fgets(line, LINE, stdin)) {
        struct answer out = {.bytes = NULL};
        struct s3e_err err;
        line[strcspn(line, "\n")] = '\0';
        const s3e_rc rc = serve(&out, line, &err);
        if (rc) {
            printf("error %d %s\n", (int)rc, err.msg);
        } else {
            printf("ok %zu %zu %zu %zu %zu\n", out.len, out.numbers[0],
                out.numbers[1], out.numbers[2], out.numbers[3]);
            CHECK(!out.len || fwrite(out.bytes, out.len, 1, stdout) == 1);
        }
        CHECK(fflush(stdout) == 0);
        free(out.bytes);
    }
    return 0;
}
