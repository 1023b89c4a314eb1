#include "tests/harness.h"

#include "base/mem.h"

#include <stdatomic.h>

static const char *g_case;

static atomic_long g_live;
static atomic_long g_left = -1; /* allocations to allow; < 0: all */
static atomic_long g_hits;
static atomic_bool g_for_ever;

_Noreturn void check_failed(const char *file, int line, const char *what)
{
    (void)fprintf(stderr, "%s:%d: %s%s%s\n", file, line, g_case ? g_case : "",
        g_case ? ": " : "", what);
    exit(1);
}

void check_str(const char *file, int line, const char *got, const char *want)
{
    if (!got || strcmp(got, want) != 0) {
        (void)fprintf(stderr, "got  %s\nwant %s\n", got ? got : "NULL", want);
        check_failed(file, line, "texts differ");
    }
}

void check_span(
    const char *file, int line, struct s3e_span got, struct s3e_span want)
{
    if (!s3e_span_eq(got, want)) {
        (void)fprintf(stderr, "got  %.*s\nwant %.*s\n", S3E_SPAN_ARG(got),
            S3E_SPAN_ARG(want));
        check_failed(file, line, "bytes differ");
    }
}

void check_rc(const char *file, int line, s3e_rc got, s3e_rc want,
    const struct s3e_err *err)
{
    if (got != want) {
        (void)fprintf(stderr, "rc %d, not %d: %s\n", (int)got, (int)want,
            got ? err->msg : "");
        check_failed(file, line, "unexpected outcome");
    }
}

void in_case(const char *name)
{
    g_case = name;
}

static void *counting_realloc(void *ptr, size_t bytes)
{
    const long left = atomic_load(&g_left);
    if (left == 0) {
        atomic_fetch_add(&g_hits, 1);
        if (!atomic_load(&g_for_ever)) {
            atomic_store(&g_left, -1);
        }
        return NULL;
    }
    if (left > 0) {
        atomic_fetch_sub(&g_left, 1);
    }
    void *out = realloc(ptr, bytes);
    if (out && !ptr) {
        atomic_fetch_add(&g_live, 1);
    }
    return out;
}

static void counting_free(void *ptr)
{
    atomic_fetch_sub(&g_live, 1);
    free(ptr);
}

void count_allocations(void)
{
    static const struct s3e_mem mem = {counting_realloc, counting_free};
    s3e_mem_set(&mem);
}

long live_allocations(void)
{
    return atomic_load(&g_live);
}

static void sweep(s3e_rc (*body)(void *ctx), void *ctx, bool for_ever)
{
    for (long nth = 0;; nth++) {
        const long before = live_allocations();
        atomic_store(&g_for_ever, for_ever);
        atomic_store(&g_hits, 0);
        atomic_store(&g_left, nth);
        const s3e_rc rc = body(ctx);
        const long hits = atomic_load(&g_hits);
        atomic_store(&g_left, -1);
        CHECK(live_allocations() == before);
        CHECK(rc == S3E_OK || (rc == S3E_E_NOMEM && hits));
        if (hits == 0) {
            CHECK(nth > 0); /* else nothing was swept */
            printf("swept %ld allocations, %s\n", nth,
                for_ever ? "for ever" : "once");
            return;
        }
    }
}

void sweep_allocations(s3e_rc (*body)(void *ctx), void *ctx)
{
    sweep(body, ctx, false);
    sweep(body, ctx, true);
}

struct s3e_span read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        (void)fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    uint8_t *bytes = NULL;
    size_t len = 0, room = 0;
    for (size_t n = 1; n > 0; len += n) {
        if (room - len < 65536) {
            room = 2 * room + 65536;
            bytes = realloc(bytes, room);
            CHECK(bytes != NULL);
        }
        n = fread(bytes + len, 1, room - len, file);
    }
    (void)fclose(file);
    return (struct s3e_span){bytes, len};
}
