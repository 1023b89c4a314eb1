#include "nn/shape.h"

#include "tests/harness.h"

static struct s3e_shape make(size_t rank, size_t a, size_t b, size_t c)
{
    const size_t dims[] = {a, b, c};
    struct s3e_shape shape;
    CHECK(s3e_shape_set(&shape, dims, rank));
    return shape;
}

static void bounds_are_checked(void)
{
    struct s3e_shape shape;
    const size_t most[] = {1 << 13, 1 << 14}, more[] = {1 << 14, 1 << 14};
    const size_t none[] = {3, 0}, wraps[] = {SIZE_MAX, 2, SIZE_MAX};
    const size_t seven[] = {1, 1, 1, 1, 1, 1, 1};
    CHECK(s3e_shape_set(&shape, most, 2) && shape.num == S3E_TENSOR_MAX);
    CHECK(!s3e_shape_set(&shape, more, 2));
    CHECK(!s3e_shape_set(&shape, none, 2));
    CHECK(!s3e_shape_set(&shape, wraps, 3));
    CHECK(!s3e_shape_set(&shape, seven, 7));
    CHECK(s3e_shape_set(&shape, NULL, 0) && shape.num == 1);
    CHECK_STR(s3e_shape_print(&shape).s, "scalar");
    shape = make(3, 1, 134217728, 1);
    CHECK_STR(s3e_shape_print(&shape).s, "1x134217728x1");
}

static void shapes_broadcast_as_numpys(void)
{
    static const struct {
        size_t a[4], b[4], out[4]; /* rank, dims; rank 9: they do not */
    } cases[] = {
        {{2, 3, 4}, {2, 3, 4}, {2, 3, 4}},
        {{2, 3, 4}, {1, 4}, {2, 3, 4}},
        {{2, 3, 1}, {2, 1, 4}, {2, 3, 4}},
        {{0}, {3, 2, 3, 4}, {3, 2, 3, 4}},
        {{2, 3, 4}, {1, 3}, {9}},
        {{2, 1 << 14, 1}, {2, 1, 1 << 14}, {9}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t *x = cases[i].a, *y = cases[i].b, *z = cases[i].out;
        const struct s3e_shape a = make(x[0], x[1], x[2], x[3]);
        const struct s3e_shape b = make(y[0], y[1], y[2], y[3]);
        struct s3e_shape got;
        const bool fits = s3e_shape_broadcast(&got, &a, &b);
        CHECK(fits == (z[0] != 9));
        if (fits) {
            const struct s3e_shape want = make(z[0], z[1], z[2], z[3]);
            CHECK(s3e_shape_eq(&got, &want));
        }
    }
}

/* Walking [2, 3] over a [3] that repeats, and over a [2, 1]. */
static void walks_follow_strides(void)
{
    const struct s3e_shape all = make(2, 2, 3, 0), row = make(1, 3, 0, 0);
    const struct s3e_shape column = make(2, 2, 1, 0);
    const size_t rows[] = {0, 1, 2, 0, 1, 2}, columns[] = {0, 0, 0, 1, 1, 1};
    size_t by_row[S3E_RANK_MAX], by_column[S3E_RANK_MAX];
    size_t at_row[S3E_RANK_MAX] = {0}, at_column[S3E_RANK_MAX] = {0};
    size_t r = 0, c = 0;
    s3e_shape_strides_in(by_row, &row, &all);
    s3e_shape_strides_in(by_column, &column, &all);
    for (size_t i = 0; i < 6; i++) {
        CHECK(r == rows[i] && c == columns[i]);
        s3e_shape_step(&all, at_row, by_row, &r);
        s3e_shape_step(&all, at_column, by_column, &c);
    }
    CHECK(r == 0 && c == 0);
    s3e_shape_strides(by_row, &all);
    CHECK(by_row[0] == 3 && by_row[1] == 1);
}

int main(void)
{
    bounds_are_checked();
    shapes_broadcast_as_numpys();
    walks_follow_strides();
    return 0;
}
