/* Windows and computing threads together, at random instants: stops, leaves,
 * forks, exits, and two statements at once. */
#include "pipeline/engine.h"
#include "tests/unit/sim_source.h"

#include <sys/wait.h>
#include <unistd.h>

/* Sanitizers slow time down, and their allocators hang in a child that was
 * forked while another thread allocated. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
# define SANITIZED 1
#elif defined(__has_feature)
# if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#  define SANITIZED 1
# endif
#endif
#ifndef SANITIZED
# define SANITIZED 0
#endif

enum { TURNS = SANITIZED ? 40 : 200 };

static uint32_t g_random = 1;

static uint32_t below(uint32_t n)
{
    g_random = g_random * 1664525u + 1013904223u;
    return (g_random >> 8) % n;
}

static bool at_deadline(void *ctx)
{
    const int64_t *deadline_us = ctx;
    return s3e_clock_us() >= *deadline_us;
}

static const struct s3e_waiter patient = {NULL, NULL};

struct scene {
    struct sim_source source;
    struct sim_maker made;
    struct s3e_window *window;
    size_t pushed, row;
};

static void open_scene(struct scene *s, enum sim_kind kind, int64_t delay_us,
    int64_t job_us, bool prefetch)
{
    struct s3e_err err;
    memset(s, 0, sizeof *s);
    s->source.kind = kind;
    s->source.delay_us = delay_us;
    s->source.bytes = 500;
    s->made.factor = 1;
    s->made.job_us = job_us;
    const struct s3e_window_limits limits = {
        .prefetch = prefetch, .max_bytes = 1 << 22, .max_fetches = 64};
    const struct s3e_source table = sim_table(&s->source);
    CHECK_RC(sim_open(&s->source, &err), S3E_OK, &err);
    CHECK_RC(s3e_window_new(&s->window, &table, &limits, &err), S3E_OK, &err);
}

static void close_scene(struct scene *s)
{
    s3e_window_free(s->window);
    s3e_engine_shutdown(); /* jobs hold the window */
    sim_close(&s->source);
    CHECK(atomic_load(&s->made.refs) == 0);
}

static void push_room(struct scene *s, size_t rows)
{
    struct s3e_err err;
    size_t room = s3e_window_room(s->window);
    room += s3e_window_rows(s->window) == 0;
    for (; room > 0 && s->pushed < rows; room--) {
        CHECK_RC(
            sim_push(s->window, &s->source, s->pushed++, &err), S3E_OK, &err);
    }
}

/* Reads up to `rows`; the first failure ends it, at s->row. Looks up between
 * rows, as SQLite does. */
static s3e_rc read_rows(
    struct scene *s, size_t rows, const struct s3e_waiter *waiter)
{
    const struct s3e_maker maker = sim_maker_table(&s->made);
    for (; s->row < rows; s->row++) {
        struct s3e_err err;
        struct s3e_blob *blob = NULL;
        float out[SIM_DIMS] = {0};
        if (waiter->stop && waiter->stop(waiter->ctx)) {
            return S3E_E_STOPPED;
        }
        push_room(s, rows);
        s3e_rc rc = s3e_window_get(s->window, &blob, waiter, &err);
        s3e_blob_unref(blob);
        if (rc == S3E_OK) {
            rc = s3e_window_make(s->window, out, &maker, waiter, &err);
        }
        const size_t value = s->row % 251;
        if (rc == S3E_E_FORMAT) {
            CHECK(value == 250);
        } else if (rc) {
            return rc;
        } else {
            CHECK((size_t)out[0] == value * sim_size(&s->source, s->row));
        }
        s3e_window_pop(s->window);
    }
    return S3E_OK;
}

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Interrupted at random instants: back within 20 ms and a job, and whatever
 * comes next works: the same call again, the next row, the end. */
static void stops_are_quick(void)
{
    static int64_t late[TURNS];
    for (int turn = 0; turn < TURNS; turn++) {
        struct scene s;
        const bool never = turn % 4 == 0;
        open_scene(&s, never ? SIM_NEVER : SIM_THREAD, 2000, 1000, turn % 5);
        int64_t deadline = s3e_clock_us() + below(30000);
        const struct s3e_waiter waiter = {at_deadline, &deadline};
        const s3e_rc rc = read_rows(&s, 300, &waiter);
        late[turn] = rc ? s3e_clock_us() - deadline : 0;
        CHECK(rc == S3E_OK || rc == S3E_E_STOPPED);
        if (rc == S3E_OK) {
            CHECK(s.row == 300);
        } else if (turn % 3 == 1) {
            deadline = INT64_MAX;
            push_room(&s, 300);
            s3e_window_pop(s.window); /* leaves the row that was stopped */
            s.row++;
            if (!never) {
                CHECK(read_rows(&s, s.row + 20, &waiter) == S3E_OK);
            }
        } else if (turn % 3 == 2 && !never) {
            deadline = INT64_MAX;
            CHECK(read_rows(&s, s.row + 20, &waiter) == S3E_OK);
        }
        close_scene(&s);
    }
    qsort(late, TURNS, sizeof *late, by_value);
    printf("stopped after %lld us (median), %lld us (95 %%), %lld us (all)\n",
        (long long)late[TURNS / 2], (long long)late[TURNS * 95 / 100],
        (long long)late[TURNS - 1]);
    CHECK(late[TURNS * 95 / 100] < 60000);
}

/* Freed at random instants with fetches and jobs under way. */
static void leaving_is_clean(void)
{
    for (int turn = 0; turn < TURNS; turn++) {
        struct scene s;
        open_scene(&s, SIM_THREAD, below(3000), below(500), true);
        CHECK(read_rows(&s, below(40), &patient) == S3E_OK);
        push_room(&s, 200);
        const int64_t until = s3e_clock_us() + below(3000);
        while (s3e_clock_us() < until) {
        }
        close_scene(&s);
    }
}

static void child_reads(struct scene *inherited)
{
    struct s3e_err err;
    struct s3e_blob *blob = NULL;
    CHECK(s3e_window_get(inherited->window, &blob, &patient, &err) ==
          S3E_E_STOPPED);
    s3e_window_pop(inherited->window);
    s3e_window_free(inherited->window);
    if (!SANITIZED) {
        struct scene s;
        open_scene(&s, SIM_THREAD, 300, 100, true);
        CHECK(read_rows(&s, 20, &patient) == S3E_OK);
        close_scene(&s);
    }
    _exit(0);
}

/* The child finds the parent's window inert and reads with one of its own; the
 * parent goes on. */
static void forking_is_clean(void)
{
    struct scene s;
    open_scene(&s, SIM_THREAD, 500, 300, true);
    for (size_t turn = 1; turn <= TURNS; turn++) {
        CHECK(read_rows(&s, turn * 4, &patient) == S3E_OK);
        push_room(&s, SIM_ROWS_MAX);
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            child_reads(&s);
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    close_scene(&s);
}

/* In a child that has no threads yet: exits from main with work under way. */
static void exiting_is_clean(void)
{
    for (int turn = 0; turn < TURNS; turn++) {
        const size_t rows = below(40);
        const int64_t pause = below(2000);
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            static struct scene s;
            open_scene(&s, SIM_THREAD, 1000, 500, true);
            CHECK(read_rows(&s, rows, &patient) == S3E_OK);
            push_room(&s, 200);
            const int64_t until = s3e_clock_us() + pause;
            while (s3e_clock_us() < until) {
            }
            exit(3);
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    }
}

struct reader {
    struct scene scene;
    struct s3e_thread thread;
    size_t rows;
};

static void read_in_thread(void *arg)
{
    struct reader *r = arg;
    CHECK(read_rows(&r->scene, r->rows, &patient) == S3E_OK);
    s3e_window_free(r->scene.window);
}

/* Both are served, and no more threads compute than there are CPUs, or readers
 * where those are more. */
static void two_statements_share_the_cpus(void)
{
    static struct reader readers[2];
    static atomic_int now, peak;
    struct s3e_err err;
    for (int i = 0; i < 2; i++) {
        open_scene(&readers[i].scene, SIM_THREAD, 300, 300, true);
        readers[i].scene.made.now = &now;
        readers[i].scene.made.peak = &peak;
        readers[i].rows = 1000;
    }
    for (int i = 0; i < 2; i++) {
        CHECK_RC(s3e_thread_start(&readers[i].thread, "reader", read_in_thread,
                     &readers[i], &err),
            S3E_OK, &err);
    }
    for (int i = 0; i < 2; i++) {
        s3e_thread_join(&readers[i].thread);
    }
    s3e_engine_shutdown();
    for (int i = 0; i < 2; i++) {
        sim_close(&readers[i].scene.source);
    }
    const int cpus = s3e_engine_threads() + 1;
    CHECK(atomic_load(&peak) <= (cpus > 2 ? cpus : 2));
}

/* Longer jobs than a reader may do: threads do them all, one a CPU. */
static void long_jobs_leave_the_reader_free(void)
{
    struct scene s;
    static atomic_int now, peak;
    open_scene(&s, SIM_THREAD, 300, 60000, true);
    s.made.now = &now;
    s.made.peak = &peak;
    CHECK(read_rows(&s, 5, &patient) == S3E_OK);
    int quick = 0;
    for (int turn = 0; turn < 5; turn++) {
        int64_t deadline = s3e_clock_us() + 30000 + turn * 5000;
        const struct s3e_waiter waiter = {at_deadline, &deadline};
        CHECK(read_rows(&s, 100, &waiter) == S3E_E_STOPPED);
        quick += s3e_clock_us() - deadline < 40000;
    }
    CHECK(SANITIZED || quick >= 3); /* most, where other programs compute */
    CHECK(atomic_load(&peak) <= s3e_engine_threads() + 1);
    close_scene(&s);
}

static void counters_count(void)
{
    const struct s3e_engine_stats before = s3e_engine_stats();
    struct scene s;
    open_scene(&s, SIM_THREAD, 300, 100, true);
    CHECK(read_rows(&s, 100, &patient) == S3E_OK);
    close_scene(&s);
    const struct s3e_engine_stats after = s3e_engine_stats();
    CHECK(after.asked - before.asked == 100);
    CHECK(after.fetched - before.fetched == 100);
    CHECK(after.made - before.made == 100);
    CHECK(after.made_ahead - before.made_ahead <= 100);
    CHECK(after.wasted == before.wasted);
    CHECK(after.waited_us >= before.waited_us);
}

/* What a row costs beside its fetch and its job. Printed; the bound is for a
 * machine under load. */
static void rows_are_cheap(void)
{
    static const struct {
        const char *name;
        enum sim_kind kind;
        int64_t delay_us;
    } cases[] = {{"at once", SIM_INLINE, 0}, {"from a thread", SIM_THREAD, 0}};
    for (size_t i = 0; i < 2; i++) {
        struct scene s;
        open_scene(&s, cases[i].kind, cases[i].delay_us, 0, true);
        const int64_t begun = s3e_clock_us();
        CHECK(read_rows(&s, SIM_ROWS_MAX, &patient) == S3E_OK);
        const double us =
            (double)(s3e_clock_us() - begun) / (double)SIM_ROWS_MAX;
        printf("%.2f us a row, %s\n", us, cases[i].name);
        CHECK(SANITIZED || us < 500);
        close_scene(&s);
    }
}

int main(void)
{
    exiting_is_clean(); /* first: this process has no threads yet */
    (void)s3e_engine_threads();
    count_allocations();
    stops_are_quick();
    leaving_is_clean();
    forking_is_clean();
    two_statements_share_the_cpus();
    long_jobs_leave_the_reader_free();
    counters_count();
    rows_are_cheap();
    CHECK(live_allocations() == 0);
    return 0;
}
