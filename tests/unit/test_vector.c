#include "nn/vector.h"

#include "tests/harness.h"

#include <locale.h>
#include <math.h>

/* The bytes of floats, at an address that suits no float. */
struct odd {
    char gap;
    uint8_t bytes[64 * sizeof(float)];
};

static struct s3e_span odd_vector(
    struct odd *room, const float *values, size_t len)
{
    memcpy(room->bytes, values, len * sizeof *values);
    return (struct s3e_span){room->bytes, len * sizeof *values};
}

static void distances_are_as_defined(void)
{
    static const struct {
        const char *name;
        enum s3e_metric metric;
        float a[3], b[3];
        double want;
    } cases[] = {
        {"l2", S3E_METRIC_L2, {1, 2, 3}, {1, 5, 7}, 5},
        {"dot", S3E_METRIC_DOT, {1, 2, 3}, {1, 5, 7}, -32},
        {"dot of nothing in common", S3E_METRIC_DOT, {1, 0, 0}, {0, 1, 0}, 0},
        {"right angle", S3E_METRIC_COSINE, {2, 0, 0}, {0, 3, 0}, 1},
        {"opposite", S3E_METRIC_COSINE, {1, 2, 3}, {-1, -2, -3}, 2},
        {"same", S3E_METRIC_COSINE, {0.1f, 0.7f, 3}, {0.1f, 0.7f, 3}, 0},
        {"45 degrees", S3E_METRIC_COSINE, {1, 0, 0}, {1, 1, 0},
            1 - 0.70710678118654752},
        {"zero", S3E_METRIC_COSINE, {0, 0, 0}, {1, 2, 3}, 1},
        {"both zero", S3E_METRIC_COSINE, {0, 0, 0}, {0, 0, 0}, 1},
        {"largest", S3E_METRIC_L2, {3e38f, 0, 0}, {-3e38f, 0, 0},
            2 * (double)3e38f},
        {"smallest", S3E_METRIC_COSINE, {1e-45f, 0, 0}, {1e-45f, 0, 0}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        in_case(cases[i].name);
        struct odd a, b;
        struct s3e_err err;
        double got = -99;
        CHECK_RC(s3e_vector_distance(&got, cases[i].metric,
                     odd_vector(&a, cases[i].a, 3),
                     odd_vector(&b, cases[i].b, 3), &err),
            S3E_OK, &err);
        CHECK(fabs(got - cases[i].want) <= 1e-15 * fabs(cases[i].want));
    }
    in_case(NULL);
}

/* Every length, so that the tail behind the last whole block counts too. */
static void every_element_counts(void)
{
    float ones[64], twos[64];
    for (size_t i = 0; i < 64; i++) {
        ones[i] = 1;
        twos[i] = 2;
    }
    for (size_t len = 1; len <= 64; len++) {
        struct odd a, b;
        struct s3e_err err;
        double got = 0;
        const struct s3e_span x = odd_vector(&a, ones, len);
        const struct s3e_span y = odd_vector(&b, twos, len);
        CHECK_RC(s3e_vector_distance(&got, S3E_METRIC_DOT, x, y, &err), S3E_OK,
            &err);
        CHECK(fabs(got + 2 * (double)len) < 1e-12);
        CHECK_RC(
            s3e_vector_distance(&got, S3E_METRIC_L2, x, y, &err), S3E_OK, &err);
        CHECK(fabs(got - sqrt((double)len)) < 1e-12);
    }
}

static void check_refused(
    struct s3e_span a, struct s3e_span b, const char *want)
{
    for (int m = S3E_METRIC_COSINE; m <= S3E_METRIC_DOT; m++) {
        struct s3e_err err;
        double out;
        CHECK(s3e_vector_distance(&out, (enum s3e_metric)m, a, b, &err) ==
              S3E_E_INPUT);
        CHECK_STR(err.msg, want);
    }
}

static void what_is_no_vector_is_refused(void)
{
    static const struct {
        const char *name, *want;
        size_t a_len, b_len; /* bytes */
        float a[3], b[3];
    } cases[] = {
        {"empty", "the vector is empty", 0, 4, {0}, {1}},
        {"empty too", "the vector is empty", 4, 0, {1}, {0}},
        {"bytes", "5 bytes are no vector of float32, 4 bytes each", 5, 5, {0},
            {0}},
        {"lengths", "the vectors have 1 and 3 elements: are they of one model?",
            4, 12, {0}, {0}},
        {"NaN", "element 1 of the vector is NaN", 12, 12, {1, NAN, 2}, {0}},
        {"infinite", "element 2 of the vector is infinite", 12, 12, {1, 2, 3},
            {1, 2, -INFINITY}},
        {"infinite times 0", "element 2 of the vector is infinite", 12, 12,
            {0, 0, INFINITY}, {0}},
        {"both infinite", "element 0 of the vector is infinite", 4, 4,
            {INFINITY}, {INFINITY}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        in_case(cases[i].name);
        check_refused(
            (struct s3e_span){(const uint8_t *)cases[i].a, cases[i].a_len},
            (struct s3e_span){(const uint8_t *)cases[i].b, cases[i].b_len},
            cases[i].want);
    }
    in_case(NULL);
}

static void check_looks_at_every_element(void)
{
    struct s3e_err err;
    const float bad[] = {1, -INFINITY};
    CHECK(s3e_vector_check((struct s3e_span){(const uint8_t *)bad, 8}, &err) ==
          S3E_E_INPUT);
    CHECK_STR(err.msg, "element 1 of the vector is infinite");
    CHECK_RC(s3e_vector_check((struct s3e_span){(const uint8_t *)bad, 4}, &err),
        S3E_OK, &err);
}

static void text_is_the_shortest(void)
{
    static const struct {
        float v;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0f, "-0"},
        {1, "1"},
        {0.1f, "0.1"},
        {-2.5f, "-2.5"},
        {1 / 3.0f, "0.33333334"},
        {16777216, "16777216"},
        {3.4028235e38f, "3.4028235e+38"},
        {1e-45f, "1.4013e-45"}, /* 1e-45 would do */
        {123456.7f, "123456.7"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3e_buf text = S3E_BUF(100);
        s3e_vector_write(
            &text, (struct s3e_span){(const uint8_t *)&cases[i].v, 4});
        CHECK_SPAN(s3e_buf_span(&text), cases[i].text);
        s3e_buf_free(&text);
    }
}

/* xorshift32; every float pattern is as likely. */
static uint32_t next_bits(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void text_reads_back_the_same(void)
{
    uint32_t state = 1;
    for (int i = 0; i < 200000; i++) {
        const uint32_t bits = next_bits(&state);
        float v;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v)) {
            continue;
        }
        struct s3e_buf text = S3E_BUF(100);
        s3e_vector_write(&text, (struct s3e_span){(const uint8_t *)&v, 4});
        s3e_buf_add_byte(&text, '\0');
        const float back = strtof((const char *)text.ptr, NULL);
        uint32_t back_bits;
        memcpy(&back_bits, &back, sizeof back_bits);
        CHECK(back_bits == bits);
        s3e_buf_free(&text);
    }
}

/* A host that says setlocale(LC_ALL, "") gets a comma out of printf. Skipped
 * in silence where the machine has no such locale. */
static void text_has_a_point_in_every_locale(void)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8"};
    const float v[] = {0.5f, 1 / 3.0f};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)setlocale(LC_NUMERIC, names[i]);
        struct s3e_buf text = S3E_BUF(100);
        s3e_vector_write(
            &text, (struct s3e_span){(const uint8_t *)v, sizeof v});
        CHECK_SPAN(s3e_buf_span(&text), "0.5,0.33333334");
        s3e_buf_free(&text);
    }
    (void)setlocale(LC_NUMERIC, "C");
}

static s3e_rc write_much(void *ctx)
{
    static const float v[64];
    struct s3e_err err;
    struct s3e_buf text = S3E_BUF(1000);
    (void)ctx;
    s3e_vector_write(&text, (struct s3e_span){(const uint8_t *)v, sizeof v});
    const s3e_rc rc = s3e_buf_check(&text, "the vector", &err);
    s3e_buf_free(&text);
    return rc;
}

int main(void)
{
    count_allocations();
    distances_are_as_defined();
    every_element_counts();
    what_is_no_vector_is_refused();
    check_looks_at_every_element();
    text_is_the_shortest();
    text_reads_back_the_same();
    text_has_a_point_in_every_locale();
    sweep_allocations(write_much, NULL);
    CHECK(live_allocations() == 0);
    return 0;
}
