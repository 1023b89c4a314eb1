#include "nn/resize.h"

#include "base/mem.h"
#include "nn/simd.h"

#include <assert.h>
#include <math.h>

enum {
    FRACTION_BITS = 22, /* 8 bits of pixel and a sign fit above them */
    HALF = 1 << (FRACTION_BITS - 1),
/* 32-bit words side by side: a vector of the CPU we tune for. */
#if defined(__x86_64__)
    LANES = 8,
#else
    LANES = 4,
#endif
    TILE = 4 * LANES, /* bytes, worked on at once */
    /* The byte of a word, counted from its low end, where a pixel that was
     * copied to the word's first three bytes begins. */
    PIXEL = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
};

typedef uint32_t lanes __attribute__((vector_size(TILE)));
typedef int32_t signed_lanes __attribute__((vector_size(TILE)));

/* Where an output pixel of an axis reads: `num` input pixels from `first`, with
 * the weights `k`. */
struct taps {
    size_t first, num;
    const int32_t *k;
};

/* One axis of the work: `num` input pixels from `first` become `len` output
 * pixels. Zero state: all zeros. */
struct axis {
    struct taps *at; /* [len], counted from `first`; NULL: nothing changes */
    int32_t *k;
    size_t first, num, len;
};

static void axis_deinit(struct axis *axis)
{
    s3e_free(axis->at);
    s3e_free(axis->k);
}

/* Pillow's filters, in its order of operations: the weights must round alike.
 */
static double triangle(double x)
{
    const double d = fabs(x);
    return d < 1.0 ? 1.0 - d : 0.0;
}

static double cubic(double x)
{
    const double a = -0.5, d = fabs(x);
    if (d < 1.0) {
        return ((a + 2.0) * d - (a + 3.0)) * d * d + 1;
    }
    return d < 2.0 ? (((d - 5) * d + 8) * d - 4) * a : 0.0;
}

struct kernel {
    double (*at)(double x);
    double support; /* pixels to each side; enlarged where the image shrinks */
    double scale;   /* input pixels to an output pixel */
    double stretch; /* the same, at least 1 */
};

static struct kernel kernel_for(enum s3e_filter filter, size_t in, size_t out)
{
    const bool is_cubic = filter == S3E_FILTER_BICUBIC;
    struct kernel k = {.at = is_cubic ? cubic : triangle};
    k.scale = (double)in / (double)out;
    k.stretch = k.scale < 1.0 ? 1.0 : k.scale;
    k.support = (is_cubic ? 2.0 : 1.0) * k.stretch;
    return k;
}

static void taps_range(
    struct taps *taps, const struct kernel *k, double center, size_t in)
{
    const double low = center - k->support + 0.5;
    const double high = center + k->support + 0.5;
    taps->first = low < 0.0 ? 0 : (size_t)low;
    taps->num = (high > (double)in ? in : (size_t)high) - taps->first;
}

static void weigh(int32_t *out, double *room, const struct taps *taps,
    const struct kernel *k, double center)
{
    const double per_pixel = 1.0 / k->stretch;
    double sum = 0.0;
    for (size_t i = 0; i < taps->num; i++) {
        const double x = (double)(i + taps->first) - center + 0.5;
        room[i] = k->at(x * per_pixel);
        sum += room[i];
    }
    for (size_t i = 0; i < taps->num; i++) {
        const double w = room[i] / sum * (1 << FRACTION_BITS);
        out[i] = (int32_t)(w < 0.0 ? w - 0.5 : w + 0.5);
    }
}

/* The taps of output pixels `from`..`from + len` of an axis of `in` pixels that
 * becomes one of `out`. */
static s3e_rc weigh_axis(
    struct axis *axis, const struct kernel *k, size_t in, size_t from)
{
    const size_t most = 2 * (size_t)ceil(k->support) + 1;
    double *room = s3e_alloc_array(most, sizeof *room);
    axis->at = s3e_alloc_array(axis->len, sizeof *axis->at);
    axis->k = s3e_alloc_array(axis->len * most, sizeof *axis->k);
    int32_t *next = axis->k;
    s3e_rc rc = S3E_OK;
    if (!room || !axis->at || !axis->k) {
        rc = S3E_E_NOMEM;
        goto done;
    }
    for (size_t i = 0; i < axis->len; i++) {
        const double center = ((double)(from + i) + 0.5) * k->scale;
        struct taps *taps = &axis->at[i];
        taps_range(taps, k, center, in);
        assert(taps->num >= 1 && taps->num <= most);
        weigh(next, room, taps, k, center);
        taps->k = next;
        next += taps->num;
    }
done:
    s3e_free(room);
    return rc;
}

/* Plans output pixels `from`..`from + len` of an axis of `in` pixels that
 * becomes one of `out`. */
static s3e_rc axis_init(struct axis *axis, enum s3e_filter filter, size_t in,
    size_t out, size_t from)
{
    axis->first = from;
    axis->num = axis->len;
    if (in == out) {
        return S3E_OK;
    }
    const struct kernel k = kernel_for(filter, in, out);
    const s3e_rc rc = weigh_axis(axis, &k, in, from);
    if (rc == S3E_OK) {
        const struct taps *last = &axis->at[axis->len - 1];
        axis->first = axis->at[0].first;
        axis->num = last->first + last->num - axis->first;
        for (size_t i = 0; i < axis->len; i++) {
            axis->at[i].first -= axis->first;
        }
    }
    return rc;
}

/* The byte that a fixed-point sum rounds to, in `out`. */
#define BYTE_OF(out, sum)                                                      \
 do {                                                                          \
  signed_lanes v_ = (signed_lanes)(sum) >> FRACTION_BITS;                      \
  v_ &= v_ > 0;                                                                \
  (out) = (lanes)((v_ | (v_ > 255)) & 255);                                    \
 } while (0)

/* out[i] = sum over t of in[t * stride + i] * k[t], for the `len` <= TILE bytes
 * of a tile. The bytes of a word, `from`..`to` of them, are worked on in place:
 * nothing is shuffled. */
static inline __attribute__((always_inline)) void blend(uint8_t *out,
    const uint8_t *in, size_t stride, const struct taps *taps, size_t len,
    int from, int to)
{
    lanes sum[4];
    for (int j = from; j < to; j++) {
        sum[j] = (lanes){0} + HALF;
    }
    for (size_t t = 0; t < taps->num; t++) {
        const uint32_t k = (uint32_t)taps->k[t];
        lanes w = {0};
        memcpy(&w, in + t * stride, len);
        for (int j = from; j < to; j++) {
            sum[j] += (w >> (8 * j) & 255) * k;
        }
    }
    lanes w = {0};
    for (int j = from; j < to; j++) {
        lanes byte;
        BYTE_OF(byte, sum[j]);
        w |= byte << (8 * j);
    }
    memcpy(out, &w, len);
}

/* A run of rows: bytes, from row to row. */
struct rows {
    uint8_t *ptr;
    size_t stride;
};

struct const_rows {
    const uint8_t *ptr;
    size_t stride;
};

/* Down: `out` of axis->len rows of `len` bytes from rows of `in`. */
S3E_CLONES static void resize_down(
    struct rows out, struct const_rows in, const struct axis *axis, size_t len)
{
    for (size_t y = 0; y < axis->len; y++) {
        const struct taps *taps = &axis->at[y];
        const uint8_t *from = in.ptr + taps->first * in.stride;
        uint8_t *to = out.ptr + y * out.stride;
        size_t x = 0;
        for (; x + TILE <= len; x += TILE) {
            blend(to + x, from + x, in.stride, taps, TILE, 0, 4);
        }
        if (x < len) {
            blend(to + x, from + x, in.stride, taps, len - x, 0, 4);
        }
    }
}

/* Turns rows of `num` pixels so that a column is a tile, a pixel a word: its
 * three bytes and one that is nobody's. */
static inline __attribute__((always_inline)) void turn(
    uint8_t *tiles, const uint8_t *const row[LANES], size_t num)
{
    for (size_t x = 0; x + 1 < num; x++) {
        for (size_t r = 0; r < LANES; r++) {
            memcpy(tiles + x * TILE + 4 * r, row[r] + 3 * x, 4);
        }
    }
    for (size_t r = 0; r < LANES; r++) { /* the image may end here */
        memcpy(tiles + (num - 1) * TILE + 4 * r, row[r] + 3 * (num - 1), 3);
    }
}

/* Puts a tile's pixels back into their rows at column `x`. The fourth byte is
 * overwritten by the next column, so the last column has none. */
static inline __attribute__((always_inline)) void turn_back(
    uint8_t *const row[LANES], const uint8_t *tile, size_t x, bool is_last)
{
    for (size_t r = 0; r < LANES; r++) {
        memcpy(row[r] + 3 * x, tile + 4 * r, is_last ? 3 : 4);
    }
}

/* Across, LANES rows at once; where there are fewer, the last one again and
 * again. `tiles` has room for one for each input column. */
S3E_CLONES static void resize_block(struct rows out, struct const_rows in,
    const struct axis *axis, size_t num_rows, uint8_t *tiles)
{
    const uint8_t *from[LANES];
    uint8_t *to[LANES], tile[TILE];
    for (size_t r = 0; r < LANES; r++) {
        const size_t y = r < num_rows ? r : num_rows - 1;
        from[r] = in.ptr + y * in.stride;
        to[r] = out.ptr + y * out.stride;
    }
    turn(tiles, from, axis->num);
    for (size_t x = 0; x < axis->len; x++) {
        const struct taps *taps = &axis->at[x];
        blend(tile, tiles + taps->first * TILE, TILE, taps, TILE, PIXEL,
            PIXEL + 3);
        if (x + 1 < axis->len) {
            turn_back(to, tile, x, false);
        } else {
            turn_back(to, tile, x, true);
        }
    }
}

static s3e_rc resize_across(struct rows out, struct const_rows in,
    const struct axis *axis, size_t num_rows)
{
    uint8_t *tiles = s3e_alloc_array(axis->num, TILE);
    if (!tiles) {
        return S3E_E_NOMEM;
    }
    for (size_t y = 0; y < num_rows; y += LANES) {
        const size_t left = num_rows - y;
        const struct rows to = {out.ptr + y * out.stride, out.stride};
        const struct const_rows from = {in.ptr + y * in.stride, in.stride};
        resize_block(to, from, axis, left < LANES ? left : LANES, tiles);
    }
    s3e_free(tiles);
    return S3E_OK;
}

/* The picture between two passes, [height, width, 3]. */
static s3e_rc new_mid(
    struct rows *mid, size_t height, size_t width, struct s3e_err *err)
{
    if (height > S3E_RESIZE_BYTES_MAX / 3 / width) {
        return s3e_fail(err, S3E_E_LIMIT,
            "resizing an image needs %zux%zu pixels half-way: more than %d "
            "MiB",
            width, height, S3E_RESIZE_BYTES_MAX >> 20);
    }
    mid->stride = 3 * width;
    mid->ptr = s3e_alloc_array(height, mid->stride);
    return mid->ptr ? S3E_OK : S3E_E_NOMEM;
}

static s3e_rc resize_both(struct rows out, struct const_rows in,
    const struct axis *x, const struct axis *y, struct s3e_err *err)
{
    struct rows mid = {NULL, 0};
    s3e_rc rc = new_mid(&mid, y->num, x->len, err);
    if (rc == S3E_OK) {
        rc = resize_across(mid, in, x, y->num);
    }
    if (rc == S3E_OK) {
        resize_down(
            out, (struct const_rows){mid.ptr, mid.stride}, y, 3 * x->len);
    }
    s3e_free(mid.ptr);
    return rc;
}

static s3e_rc resize_both_down_first(struct rows out, struct const_rows in,
    const struct axis *x, const struct axis *y, struct s3e_err *err)
{
    struct rows mid = {NULL, 0};
    s3e_rc rc = new_mid(&mid, y->len, x->num, err);
    if (rc == S3E_OK) {
        resize_down(mid, in, y, 3 * x->num);
        rc = resize_across(
            out, (struct const_rows){mid.ptr, mid.stride}, x, y->len);
    }
    s3e_free(mid.ptr);
    return rc;
}

static void copy_rows(
    struct rows out, struct const_rows in, size_t num_rows, size_t len)
{
    for (size_t y = 0; y < num_rows; y++) {
        memcpy(out.ptr + y * out.stride, in.ptr + y * in.stride, len);
    }
}

/* Pillow 13 begins with the height where that loses more than twice as many
 * pixels as the width; older ones always begin with the width. It moves a
 * pixel by a level here and there. */
static bool down_first(
    const struct s3e_resize *job, const struct s3e_image *img)
{
    const size_t fewer_rows =
        img->height > job->height ? img->height - job->height : 0;
    const size_t fewer_cols =
        img->width > job->width ? img->width - job->width : 0;
    return fewer_rows > 2 * fewer_cols;
}

s3e_rc s3e_resize_run(const struct s3e_resize *job, uint8_t *out, size_t stride,
    const struct s3e_image *img, struct s3e_err *err)
{
    assert(job->rows && job->top + job->rows <= job->height);
    assert(job->cols && job->left + job->cols <= job->width);
    assert(job->height <= S3E_RESIZE_SIDE_MAX);
    assert(job->width <= S3E_RESIZE_SIDE_MAX && stride >= 3 * job->cols);

    const struct rows to = {out, stride};
    const size_t step = 3 * img->width;
    struct const_rows in = {img->px, step};
    struct axis x = {.len = job->cols}, y = {.len = job->rows};
    s3e_rc rc = axis_init(&x, job->filter, img->width, job->width, job->left);
    if (rc == S3E_OK) {
        rc = axis_init(&y, job->filter, img->height, job->height, job->top);
    }
    if (rc) {
        goto done;
    }
    in.ptr += y.first * step + 3 * x.first;
    if (x.at && y.at) {
        rc = (down_first(job, img) ? resize_both_down_first : resize_both)(
            to, in, &x, &y, err);
    } else if (x.at) {
        rc = resize_across(to, in, &x, job->rows);
    } else if (y.at) {
        resize_down(to, in, &y, 3 * job->cols);
    } else {
        copy_rows(to, in, job->rows, 3 * job->cols);
    }
done:
    if (rc == S3E_E_NOMEM) {
        rc = s3e_fail(err, rc, "no memory to resize an image");
    }
    axis_deinit(&x);
    axis_deinit(&y);
    return rc;
}
