#include "nn/vector.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert(
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "vectors are read in place");

/* Sums kept side by side: independent, so that the compiler may use SIMD
 * without reordering an addition. */
enum { LANES = 8 };

enum { NUMBER_ROOM = 32 }; /* -1.23456789e-38 and to spare */

/* LANES floats from element `first`, zeros behind the last. */
static void load(float out[LANES], struct s3e_span v, size_t first)
{
    const struct s3e_span rest = s3e_span_from(v, first * sizeof *out);
    if (rest.len >= LANES * sizeof *out) {
        memcpy(out, rest.ptr, LANES * sizeof *out);
    } else {
        memset(out, 0, LANES * sizeof *out);
        memcpy(out, rest.ptr, rest.len);
    }
}

static double total(const double lanes[LANES])
{
    double sum = 0;
    for (size_t i = 0; i < LANES; i++) {
        sum += lanes[i];
    }
    return sum;
}

static double dot(struct s3e_span a, struct s3e_span b)
{
    double sums[LANES] = {0};
    for (size_t i = 0; i < a.len / sizeof(float); i += LANES) {
        float x[LANES], y[LANES];
        load(x, a, i);
        load(y, b, i);
        for (size_t l = 0; l < LANES; l++) {
            sums[l] += (double)x[l] * (double)y[l];
        }
    }
    return total(sums);
}

static double squared_difference(struct s3e_span a, struct s3e_span b)
{
    double sums[LANES] = {0};
    for (size_t i = 0; i < a.len / sizeof(float); i += LANES) {
        float x[LANES], y[LANES];
        load(x, a, i);
        load(y, b, i);
        for (size_t l = 0; l < LANES; l++) {
            const double d = (double)x[l] - (double)y[l];
            sums[l] += d * d;
        }
    }
    return total(sums);
}

/* `ab` is dot(a, b). The root of the product, not the product of the roots, so
 * that equal vectors are at exactly 0. */
static double cosine_distance(struct s3e_span a, struct s3e_span b, double ab)
{
    const double norms = sqrt(dot(a, a) * dot(b, b));
    return norms > 0 ? fmin(fmax(1 - ab / norms, 0), 2) : 1;
}

static s3e_rc check_shape(struct s3e_span v, struct s3e_err *err)
{
    if (v.len == 0) {
        return s3e_fail(err, S3E_E_INPUT, "the vector is empty");
    }
    if (v.len % sizeof(float)) {
        return s3e_fail(err, S3E_E_INPUT,
            "%zu bytes are no vector of float32, 4 bytes each", v.len);
    }
    return S3E_OK;
}

static s3e_rc check_elements(struct s3e_span v, struct s3e_err *err)
{
    for (size_t i = 0; i < v.len; i += sizeof(float)) {
        float x;
        memcpy(&x, v.ptr + i, sizeof x);
        if (!isfinite(x)) {
            return s3e_fail(err, S3E_E_INPUT, "element %zu of the vector is %s",
                i / sizeof x, isnan(x) ? "NaN" : "infinite");
        }
    }
    return S3E_OK;
}

s3e_rc s3e_vector_check(struct s3e_span v, struct s3e_err *err)
{
    const s3e_rc rc = check_shape(v, err);
    return rc ? rc : check_elements(v, err);
}

s3e_rc s3e_vector_distance(double *out, enum s3e_metric metric,
    struct s3e_span a, struct s3e_span b, struct s3e_err *err)
{
    s3e_rc rc = check_shape(a, err);
    if (!rc) {
        rc = check_shape(b, err);
    }
    if (!rc && a.len != b.len) {
        rc = s3e_fail(err, S3E_E_INPUT,
            "the vectors have %zu and %zu elements: are they of one model?",
            a.len / sizeof(float), b.len / sizeof(float));
    }
    if (rc) {
        return rc;
    }
    const double sum =
        metric == S3E_METRIC_L2 ? squared_difference(a, b) : dot(a, b);
    if (!isfinite(sum)) {
        /* Sums of finite floats are finite doubles: an element is not. */
        rc = check_elements(a, err);
        return rc ? rc : check_elements(b, err);
    }
    switch (metric) {
    case S3E_METRIC_COSINE:
        *out = cosine_distance(a, b, sum);
        break;
    case S3E_METRIC_L2:
        *out = sqrt(sum);
        break;
    case S3E_METRIC_DOT:
        *out = 0 - sum; /* never -0.0 */
        break;
    }
    return S3E_OK;
}

/* Whatever a locale writes between the digits, JSON and CSV want a point. */
static void point(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (strchr("0123456789+-e", *from)) {
            *to++ = *from;
        } else if (to == text || to[-1] != '.') {
            *to++ = '.';
        }
    }
    *to = '\0';
}

/* The same float32, -0 not being 0. */
static bool same(float a, float b)
{
    uint32_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return x == y;
}

static void write_number(char out[NUMBER_ROOM], float x, int digits)
{
    (void)snprintf(out, NUMBER_ROOM, "%.*g", digits, (double)x);
}

void s3e_vector_write(struct s3e_buf *text, struct s3e_span v)
{
    for (size_t i = 0; i < v.len; i += sizeof(float)) {
        float x;
        char number[NUMBER_ROOM];
        memcpy(&x, v.ptr + i, sizeof x);
        int digits = FLT_DECIMAL_DIG;
        do {
            write_number(number, x, --digits);
        } while (digits >= FLT_DIG && same(strtof(number, NULL), x));
        write_number(number, x, digits + 1);
        point(number);
        if (i > 0) {
            s3e_buf_add_byte(text, ',');
        }
        s3e_buf_add_str(text, number);
    }
}
