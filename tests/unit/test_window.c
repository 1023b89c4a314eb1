/* The window against simulated sources: what comes out is what one-by-one work
 * gives, what is fetched is what the policy allows, and nothing is left. */
#include "pipeline/engine.h"
#include "tests/unit/sim_source.h"

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

static const struct s3e_waiter patient = {never, NULL};

static bool yes(size_t row)
{
    (void)row;
    return true;
}

static bool no(size_t row)
{
    (void)row;
    return false;
}

static bool even(size_t row)
{
    return row % 2 == 0;
}

static bool every_10th(size_t row)
{
    return row % 10 == 9;
}

static bool none_then_all(size_t row)
{
    return row >= 100;
}

static s3e_rc one_in_9(size_t row, unsigned attempt)
{
    (void)attempt;
    return row % 9 == 4 ? S3E_E_IO : S3E_OK;
}

static s3e_rc memory_once(size_t row, unsigned attempt)
{
    return row % 3 == 1 && attempt == 0 ? S3E_E_NOMEM : S3E_OK;
}

static s3e_rc every(size_t row, unsigned attempt)
{
    (void)row;
    (void)attempt;
    return S3E_E_NOTFOUND;
}

/* A statement: which rows ask for bytes and vectors, and when it ends. */
struct shape {
    const char *name;
    bool (*gets)(size_t row);
    bool (*makes)(size_t row); /* implies bytes */
    unsigned makers;           /* of these, 1..5 */
    unsigned times;            /* each call, in each row */
    size_t stop_after;         /* rows that asked; 0: all */
    s3e_rc (*fails)(size_t row, unsigned attempt);
    enum sim_kind kind;
    bool eager; /* all rows are known before the first is read */
    uint64_t max_rows;
    size_t bytes, max_bytes;
    bool size_unknown;
    unsigned least, most; /* fetches begun of ROWS rows, with look-ahead */
};

enum { ROWS = 300, FACTORS = 5 };

static const struct shape shapes[] = {
    {"bytes of all", yes, no, 0, 1, 0, NULL, SIM_THREAD, false, 0, 900, 64000,
        false, ROWS, ROWS},
    {"vectors of all", yes, yes, 1, 1, 0, NULL, SIM_THREAD, false, 0, 900,
        1 << 20, false, ROWS, ROWS},
    {"vectors alone", no, yes, 1, 1, 0, NULL, SIM_THREAD, false, 0, 900,
        1 << 20, false, ROWS, ROWS},
    {"repeated calls", yes, yes, 1, 3, 0, NULL, SIM_THREAD, false, 0, 900,
        1 << 20, false, ROWS, ROWS},
    {"two models", yes, yes, 2, 1, 0, NULL, SIM_THREAD, false, 0, 900, 1 << 20,
        false, ROWS, ROWS},
    {"five models", yes, yes, 5, 1, 0, NULL, SIM_THREAD, false, 0, 900, 1 << 20,
        false, ROWS, ROWS},
    {"vectors of some", yes, every_10th, 1, 1, 0, NULL, SIM_THREAD, false, 0,
        900, 1 << 20, false, ROWS, ROWS},
    {"count(*)", no, no, 0, 1, 0, NULL, SIM_THREAD, true, 0, 900, 64000, false,
        0, 0},
    {"filter", even, even, 1, 1, 0, NULL, SIM_THREAD, true, 0, 900, 64000,
        false, ROWS / 2, ROWS * 10 / 18 + 2},
    {"anti-join", every_10th, every_10th, 1, 1, 0, NULL, SIM_THREAD, true, 0,
        900, 64000, false, ROWS / 10, ROWS / 10 + 3},
    {"done ones first", none_then_all, none_then_all, 1, 1, 0, NULL, SIM_THREAD,
        true, 0, 900, 1 << 20, false, ROWS - 100, ROWS - 100},
    {"hidden LIMIT 1", yes, yes, 1, 1, 1, NULL, SIM_THREAD, true, 0, 900, 64000,
        false, 1, 2},
    {"hidden LIMIT 20", yes, yes, 1, 1, 20, NULL, SIM_THREAD, true, 0, 900,
        1 << 20, false, 20, 40},
    {"LIMIT pushed", yes, yes, 1, 1, 20, NULL, SIM_THREAD, true, 20, 900,
        1 << 20, false, 20, 20},
    {"some fail", yes, yes, 1, 2, 0, one_in_9, SIM_THREAD, false, 0, 900,
        1 << 20, false, ROWS, ROWS},
    {"all fail", yes, yes, 1, 2, 0, every, SIM_THREAD, false, 0, 900, 1 << 20,
        false, ROWS, ROWS},
    {"memory lacks once", yes, yes, 1, 1, 0, memory_once, SIM_THREAD, false, 0,
        900, 1 << 20, false, ROWS + ROWS / 3, ROWS + ROWS / 3},
    {"answers at once", yes, yes, 1, 1, 0, NULL, SIM_INLINE, true, 0, 900,
        1 << 20, false, ROWS, ROWS},
    {"fails at once", yes, yes, 1, 1, 0, memory_once, SIM_INLINE, true, 0, 900,
        1 << 20, false, ROWS + ROWS / 3, ROWS + ROWS / 3},
    {"empty bodies", yes, yes, 1, 1, 0, NULL, SIM_THREAD, true, 0, 0, 1 << 20,
        false, ROWS, ROWS},
    {"sizes unknown", yes, yes, 1, 1, 0, NULL, SIM_THREAD, true, 0, 900,
        1 << 20, true, ROWS, ROWS},
    {"no room for two", yes, yes, 1, 1, 0, NULL, SIM_THREAD, true, 0, 40000,
        60000, false, ROWS, ROWS},
    {"no room for one", yes, yes, 1, 1, 0, NULL, SIM_THREAD, true, 0, 40000,
        30000, false, ROWS, ROWS},
};

/* What a row gave: the outcome and the vectors, in order. */
struct result {
    s3e_rc get, make[FACTORS];
    size_t len;
    float vec[FACTORS][SIM_DIMS];
};

struct run {
    const struct shape *shape;
    struct sim_source *source;
    struct s3e_window *window;
    struct sim_maker makers[FACTORS];
    struct result *results; /* [ROWS] */
    size_t pushed;
};

static void read_bytes(struct run *run, size_t row)
{
    struct s3e_err err;
    struct s3e_blob *first = NULL;
    for (unsigned i = 0; i < run->shape->times; i++) {
        struct s3e_blob *blob = NULL;
        const s3e_rc rc = s3e_window_get(run->window, &blob, &patient, &err);
        CHECK(i == 0 || rc == run->results[row].get);
        run->results[row].get = rc;
        if (rc) {
            char text[40];
            (void)snprintf(text, sizeof text, "row %zu fails", row);
            CHECK_STR(err.msg, text);
            continue;
        }
        run->results[row].len = blob->len;
        CHECK(blob->len == 0 || blob->data[0] == row % 251);
        CHECK(s3e_window_owns(run->window, blob));
        CHECK(!first || first == blob); /* made once */
        if (i == 0) {
            first = s3e_blob_ref(blob);
        }
        s3e_blob_unref(blob);
    }
    s3e_blob_unref(first);
}

static void read_vectors(struct run *run, size_t row)
{
    struct s3e_err err;
    for (unsigned m = 0; m < run->shape->makers; m++) {
        const struct s3e_maker maker = sim_maker_table(&run->makers[m]);
        for (unsigned i = 0; i < run->shape->times; i++) {
            float *out = run->results[row].vec[m];
            const s3e_rc rc =
                s3e_window_make(run->window, out, &maker, &patient, &err);
            run->results[row].make[m] = rc;
            const s3e_rc bad = row % 251 == 250 ? S3E_E_FORMAT : S3E_OK;
            CHECK(run->shape->fails || run->shape->bytes == 0 || rc == bad);
        }
    }
}

static void push_rows(struct run *run, size_t count)
{
    struct s3e_err err;
    for (; count > 0 && run->pushed < ROWS; count--) {
        CHECK_RC(sim_push(run->window, run->source, run->pushed++, &err),
            S3E_OK, &err);
    }
}

static void read_all(struct run *run)
{
    const struct shape *s = run->shape;
    size_t asked = 0;
    if (s->eager) {
        push_rows(run, ROWS);
    }
    for (size_t row = 0; row < ROWS; row++) {
        if (s3e_window_rows(run->window) == 0) {
            push_rows(run, 1);
        }
        struct sim_item *item = s3e_window_front(run->window);
        CHECK(item && item->row == row);
        const bool asks = s->gets(row) || s->makes(row);
        if (s->gets(row)) {
            read_bytes(run, row);
        }
        if (s->makes(row)) {
            read_vectors(run, row);
        }
        asked += asks;
        if (asks && asked == s->stop_after) {
            return;
        }
        push_rows(run, s3e_window_room(run->window));
        s3e_window_pop(run->window);
    }
    CHECK(s3e_window_front(run->window) == NULL);
}

static void check_run(const struct run *run, bool prefetch)
{
    const struct shape *s = run->shape;
    const struct sim_source *source = run->source;
    const unsigned started = atomic_load(&source->started);
    unsigned asked = 0, retried = 0;
    const size_t last = s->stop_after ? s->stop_after : ROWS;
    for (size_t row = 0; row < last; row++) {
        const bool asks = s->gets(row) || s->makes(row);
        asked += asks;
        retried += asks && s->fails == memory_once && row % 3 == 1;
    }
    if (prefetch) {
        CHECK(started >= s->least && started <= s->most);
    } else {
        CHECK(started == asked + retried);
    }
    const size_t one = s->bytes + 6;
    CHECK(atomic_load(&source->peak) <=
          (s->max_bytes > one ? s->max_bytes : one));
    for (unsigned m = 0; m < FACTORS; m++) {
        CHECK(atomic_load(&run->makers[m].refs) == 0);
    }
    if (s->times == 3) {
        CHECK(atomic_load(&run->makers[0].made) == ROWS);
    }
    if (s->makes == every_10th && s->gets == yes) { /* not all in vain */
        CHECK(atomic_load(&run->makers[0].made) <= ROWS / 3);
    }
}

static void run_shape(
    const struct shape *shape, bool prefetch, struct result *results)
{
    struct s3e_err err;
    struct sim_source source = {.kind = shape->kind,
        .delay_us = 300,
        .bytes = shape->bytes,
        .size_unknown = shape->size_unknown,
        .fails = shape->fails};
    struct run run = {.shape = shape, .source = &source, .results = results};
    for (unsigned m = 0; m < FACTORS; m++) {
        run.makers[m].factor = (float)(m + 1);
        run.makers[m].job_us = 50;
    }
    const struct s3e_window_limits limits = {
        .prefetch = prefetch,
        .max_bytes = shape->max_bytes,
        .max_fetches = 16,
        .max_rows = shape->max_rows,
    };
    const struct s3e_source table = sim_table(&source);
    CHECK_RC(sim_open(&source, &err), S3E_OK, &err);
    CHECK_RC(s3e_window_new(&run.window, &table, &limits, &err), S3E_OK, &err);
    CHECK(s3e_window_room(run.window) == prefetch);
    read_all(&run);
    s3e_window_free(run.window);
    s3e_engine_shutdown();
    sim_close(&source);
    check_run(&run, prefetch);
}

static void results_are_those_of_one_by_one(void)
{
    static struct result plain[ROWS], ahead[ROWS];
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        in_case(shapes[i].name);
        memset(plain, 0, sizeof plain);
        memset(ahead, 0, sizeof ahead);
        run_shape(&shapes[i], false, plain);
        run_shape(&shapes[i], true, ahead);
        CHECK(memcmp(plain, ahead, sizeof plain) == 0);
    }
    in_case(NULL);
}

/* A job ahead that lacks memory costs its row nothing but the time. */
static void a_job_without_memory_is_done_again(void)
{
    struct s3e_err err;
    struct sim_source source = {.delay_us = 300, .bytes = 100};
    struct sim_maker made = {.factor = 1};
    const struct s3e_maker maker = sim_maker_table(&made);
    const struct s3e_window_limits limits = {
        .prefetch = true, .max_bytes = 1 << 20, .max_fetches = 16};
    const struct s3e_source table = sim_table(&source);
    struct s3e_window *w = NULL;
    CHECK_RC(sim_open(&source, &err), S3E_OK, &err);
    CHECK_RC(s3e_window_new(&w, &table, &limits, &err), S3E_OK, &err);
    for (size_t row = 0; row < 200; row++) {
        CHECK_RC(sim_push(w, &source, row, &err), S3E_OK, &err);
    }
    for (size_t row = 0; row < 200; row++) {
        float out[SIM_DIMS];
        if (row == 50) {
            atomic_store(&made.failures, atomic_load(&made.made) + 1);
        }
        CHECK_RC(s3e_window_make(w, out, &maker, &patient, &err), S3E_OK, &err);
        s3e_window_pop(w);
    }
    s3e_window_free(w);
    s3e_engine_shutdown();
    sim_close(&source);
    CHECK(atomic_load(&made.made) == 201);
}

static s3e_rc read_twelve(void *ctx)
{
    (void)ctx;
    struct s3e_err err;
    struct sim_source source = {.delay_us = 100, .bytes = 100};
    struct sim_maker made = {.factor = 1};
    const struct s3e_maker maker = sim_maker_table(&made);
    const struct s3e_window_limits limits = {
        .prefetch = true, .max_bytes = 1 << 20, .max_fetches = 16};
    const struct s3e_source table = sim_table(&source);
    struct s3e_window *w = NULL;
    s3e_rc rc = sim_open(&source, &err);
    if (rc) {
        return rc;
    }
    rc = s3e_window_new(&w, &table, &limits, &err);
    if (rc) {
        source.freed = true;
        goto done;
    }
    for (size_t row = 0; rc == S3E_OK && row < 12; row++) {
        rc = sim_push(w, &source, row, &err);
    }
    for (size_t row = 0; rc == S3E_OK && row < 12; row++) {
        struct s3e_blob *blob = NULL;
        float out[SIM_DIMS];
        rc = s3e_window_get(w, &blob, &patient, &err);
        CHECK(rc || blob->len == sim_size(&source, row));
        s3e_blob_unref(blob);
        if (rc == S3E_OK) {
            rc = s3e_window_make(w, out, &maker, &patient, &err);
        }
        CHECK(rc || (size_t)out[0] == sim_size(&source, row) * row);
        s3e_window_pop(w);
    }
done:
    s3e_window_free(w);
    s3e_engine_shutdown();
    sim_close(&source);
    CHECK(atomic_load(&made.refs) == 0);
    return rc;
}

static bool at_third_look(void *ctx)
{
    int *looks = ctx;
    return ++*looks == 3;
}

/* A stopped call may be made again; leaving the row, or freeing the window,
 * cancels. */
static void what_never_answers_is_cancelled(void)
{
    struct s3e_err err;
    struct sim_source source = {.kind = SIM_NEVER, .bytes = 100};
    const struct s3e_window_limits limits = {
        .prefetch = true, .max_bytes = 1 << 20, .max_fetches = 16};
    const struct s3e_source table = sim_table(&source);
    struct s3e_window *w = NULL;
    CHECK_RC(sim_open(&source, &err), S3E_OK, &err);
    CHECK_RC(s3e_window_new(&w, &table, &limits, &err), S3E_OK, &err);
    for (size_t row = 0; row < 5; row++) {
        CHECK_RC(sim_push(w, &source, row, &err), S3E_OK, &err);
    }
    for (int i = 0; i < 2; i++) {
        struct s3e_blob *blob = NULL;
        int looks = 0;
        const struct s3e_waiter waiter = {at_third_look, &looks};
        CHECK(s3e_window_get(w, &blob, &waiter, &err) == S3E_E_STOPPED);
        CHECK_STR(err.msg, "interrupted");
        CHECK(!blob && looks == 3);
    }
    CHECK(atomic_load(&source.started) == 2); /* and one ahead */
    CHECK(atomic_load(&source.cancelled) == 0);
    s3e_window_pop(w);
    CHECK(atomic_load(&source.cancelled) == 1);
    s3e_window_free(w);
    CHECK(atomic_load(&source.cancelled) == 2);
    sim_close(&source);
}

int main(void)
{
    (void)s3e_engine_threads(); /* read once in the process's life */
    count_allocations();
    results_are_those_of_one_by_one();
    a_job_without_memory_is_done_again();
    what_never_answers_is_cancelled();
    sweep_allocations(read_twelve, NULL);
    CHECK(live_allocations() == 0);
    return 0;
}
