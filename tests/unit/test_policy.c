/* The policy against a simulated store, cores and statement: discrete events,
 * seeded. Latencies are lognormal, median 30 ms and 99th percentile 200 ms, the
 * shape measured for small objects. */
#include "pipeline/policy.h"
#include "tests/harness.h"

#include <math.h>

enum { ROWS_MAX = 200000, CORES_MAX = 64, FLIGHT_MAX = 1024 };

static uint64_t g_seed;

static double uniform(void) /* splitmix64; in (0, 1) */
{
    uint64_t z = (g_seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(2 * 3.141592653589793 * uniform());
}

struct scene {
    const char *name;
    size_t rows;
    size_t stop_after; /* rows asked; 0: all */
    bool (*asks)(size_t row);
    size_t cores; /* 0: bytes only */
    double job_us;
    double stragglers; /* share of fetches that take 1 to 4 s */
    struct s3e_window_limits limits;
    double fetch_us; /* of each; 0: lognormal */
};

struct outcome {
    double seconds;
    struct s3e_policy policy;
    size_t peak_bytes;
};

enum row_state { UNSEEN, IN_FLIGHT, FETCHED, MAKING, MADE };

struct sim {
    const struct scene *scene;
    struct s3e_policy policy;
    struct s3e_load load;
    double now; /* us */
    size_t front, next, peak;
    bool asked; /* the front row */
    enum row_state state[ROWS_MAX];
    struct {
        size_t row;
        double begun, end;
    } flight[FLIGHT_MAX], core[CORES_MAX];
    size_t busy;
};

static const size_t row_bytes = 5000;
static const double never = 1e30;

static double latency(const struct scene *scene)
{
    if (uniform() < scene->stragglers) {
        return 1e6 * (1 + 3 * uniform());
    }
    if (scene->fetch_us > 0) {
        return scene->fetch_us;
    }
    return 30000 * exp(0.8156 * normal());
}

static void fetch(struct sim *sim, size_t row)
{
    const size_t i = sim->load.in_flight++;
    CHECK(i < FLIGHT_MAX);
    sim->flight[i].row = row;
    sim->flight[i].begun = sim->now;
    sim->flight[i].end = sim->now + latency(sim->scene);
    sim->state[row] = IN_FLIGHT;
    sim->policy.fetched++;
    sim->load.bytes += row_bytes;
    if (sim->load.bytes > sim->peak) {
        sim->peak = sim->load.bytes;
    }
    sim->load.ahead += !(row == sim->front && sim->asked);
}

static void pump(struct sim *sim)
{
    if (sim->next < sim->front) {
        sim->next = sim->front;
    }
    if (sim->next == sim->front && sim->asked) {
        fetch(sim, sim->next++);
    }
    while (sim->next < sim->scene->rows &&
           s3e_policy_may_fetch(
               &sim->policy, &sim->scene->limits, &sim->load, row_bytes)) {
        fetch(sim, sim->next++);
    }
}

/* The reader goes on while rows are ready or do not ask; false at its end. */
static bool read_rows(struct sim *sim)
{
    const struct scene *s = sim->scene;
    const enum row_state ready = s->cores ? MADE : FETCHED;
    for (;; sim->front++, sim->asked = false) {
        const size_t row = sim->front;
        if (row == s->rows ||
            (s->stop_after && sim->policy.asked == s->stop_after &&
                !sim->asked)) {
            return false;
        }
        const bool begun = sim->state[row] != UNSEEN;
        if (!s->asks(row)) {
            s3e_policy_pass(&sim->policy, begun);
            sim->load.ahead -= begun;
        } else if (!sim->asked) {
            sim->asked = true;
            sim->load.ahead -= begun;
            s3e_policy_ask(&sim->policy, (int64_t)sim->now);
            CHECK(sim->policy.fetched <= 2 * sim->policy.asked + 4);
        }
        if (s->asks(row) && sim->state[row] != ready) {
            return true;
        }
        if (begun) {
            sim->load.bytes -= row_bytes;
        }
        pump(sim);
    }
}

static void compute(struct sim *sim)
{
    size_t row = sim->front;
    while (sim->busy < sim->scene->cores) {
        while (row < sim->next && sim->state[row] != FETCHED) {
            row++;
        }
        if (row == sim->next) {
            return;
        }
        sim->state[row] = MAKING;
        sim->core[sim->busy].row = row;
        sim->core[sim->busy++].end = sim->now + sim->scene->job_us;
    }
}

static void next_event(struct sim *sim)
{
    double first = never;
    for (size_t i = 0; i < sim->load.in_flight; i++) {
        first = fmin(first, sim->flight[i].end);
    }
    for (size_t i = 0; i < sim->busy; i++) {
        first = fmin(first, sim->core[i].end);
    }
    CHECK(first < never); /* else the reader waits for ever */
    sim->now = first;
    for (size_t i = sim->load.in_flight; i-- > 0;) {
        if (sim->flight[i].end <= first) {
            s3e_policy_came(&sim->policy,
                (int64_t)(first - sim->flight[i].begun), row_bytes);
            sim->state[sim->flight[i].row] = FETCHED;
            sim->flight[i] = sim->flight[--sim->load.in_flight];
        }
    }
    for (size_t i = sim->busy; i-- > 0;) {
        if (sim->core[i].end <= first) {
            s3e_policy_made(&sim->policy, (int64_t)sim->scene->job_us);
            sim->state[sim->core[i].row] = MADE;
            sim->core[i] = sim->core[--sim->busy];
        }
    }
}

static struct outcome simulate(const struct scene *scene)
{
    static struct sim sim;
    memset(&sim, 0, sizeof sim);
    sim.scene = scene;
    g_seed = 1;
    in_case(scene->name);
    CHECK(scene->rows <= ROWS_MAX && scene->cores <= CORES_MAX);
    s3e_policy_init(&sim.policy);
    while (read_rows(&sim)) {
        pump(&sim);
        compute(&sim);
        next_event(&sim);
    }
    in_case(NULL);
    return (struct outcome){sim.now / 1e6, sim.policy, sim.peak};
}

static const struct s3e_window_limits usual = {
    .prefetch = true, .max_bytes = 64 << 20, .max_fetches = 64};

static const struct s3e_window_limits wide = {
    .prefetch = true, .max_bytes = 64 << 20, .max_fetches = 512};

static bool all(size_t row)
{
    (void)row;
    return true;
}

/* Whether a hash of the row falls under 1/n: a filter that no one foresees. */
static bool one_in(size_t row, unsigned n)
{
    uint64_t z = (row + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 32)) * 0xbf58476d1ce4e5b9u;
    return (z >> 33) % n == 0;
}

static bool one_in_2(size_t row)
{
    return one_in(row, 2);
}

static bool one_in_4(size_t row)
{
    return one_in(row, 4);
}

static bool one_in_8(size_t row)
{
    return one_in(row, 8);
}

static bool one_in_20(size_t row)
{
    return one_in(row, 20);
}

static bool one_in_100(size_t row)
{
    return one_in(row, 100);
}

static bool nine_in_10(size_t row)
{
    return !one_in(row, 10);
}

static bool every_100th(size_t row)
{
    return row % 100 == 99;
}

static bool every_second(size_t row)
{
    return row % 2 == 0;
}

static bool runs_of_200(size_t row)
{
    return row % 1000 < 200;
}

static bool after_5000(size_t row)
{
    return row < 100 || row >= 5000;
}

/* The rate that the cores alone would reach, against the rate through the
 * policy. Without hedging, stragglers cost what the depth cannot cover. */
static void cores_are_kept_busy(void)
{
    const struct {
        struct scene scene;
        double least;
    } cases[] = {
        {{"1 core", 4000, 0, all, 1, 10000, 0, usual, 0}, 0.95},
        {{"2 cores", 8000, 0, all, 2, 10000, 0, usual, 0}, 0.95},
        {{"2 cores, a small model", 40000, 0, all, 2, 2000, 0, wide, 0}, 0.95},
        {{"8 cores", 30000, 0, all, 8, 10000, 0, wide, 0}, 0.95},
        {{"16 cores", 60000, 0, all, 16, 10000, 0, wide, 0}, 0.95},
        {{"64 cores", 100000, 0, all, 64, 10000, 0, wide, 0}, 0.85},
        {{"64 cores, a folder", 50000, 0, all, 64, 10000, 0, wide, 50}, 0.95},
        {{"2 cores, a folder", 5000, 0, all, 2, 10000, 0, usual, 50}, 0.98},
        {{"2 cores, steady 30 ms", 9000, 0, all, 2, 1500, 0, wide, 30000},
            0.95},
        {{"2 cores, stragglers", 8000, 0, all, 2, 10000, 0.001, usual, 0},
            0.55},
        {{"16 cores, stragglers", 60000, 0, all, 16, 10000, 0.001, wide, 0},
            0.2},
        {{"nine in ten", 8000, 0, nine_in_10, 2, 10000, 0, usual, 0}, 0.6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct scene *s = &cases[i].scene;
        const struct outcome o = simulate(s);
        const double ideal =
            (double)o.policy.asked * s->job_us / 1e6 / (double)s->cores;
        printf("%-24s %.3f of the cores' rate, depth %zu\n", s->name,
            ideal / o.seconds, s3e_policy_ahead(&o.policy, &s->limits));
        in_case(s->name);
        CHECK(ideal / o.seconds >= cases[i].least);
        CHECK(o.peak_bytes <= s->limits.max_bytes);
    }
}

static void little_is_wasted(void)
{
    const struct {
        struct scene scene;
        double most; /* wasted, of fetched */
    } cases[] = {
        {{"all", 10000, 0, all, 0, 0, 0, usual, 0}, 0},
        {{"nine in ten", 20000, 0, nine_in_10, 0, 0, 0, usual, 0}, 0.12},
        {{"one in 2", 20000, 0, one_in_2, 0, 0, 0, usual, 0}, 0.10},
        {{"every second", 20000, 0, every_second, 0, 0, 0, usual, 0}, 0.10},
        {{"one in 4", 20000, 0, one_in_4, 0, 0, 0, usual, 0}, 0.10},
        {{"one in 8", 20000, 0, one_in_8, 0, 0, 0, usual, 0}, 0.10},
        {{"one in 20", 40000, 0, one_in_20, 0, 0, 0, usual, 0}, 0.10},
        {{"one in 100", 100000, 0, one_in_100, 0, 0, 0, usual, 0}, 0.10},
        {{"anti-join", 100000, 0, every_100th, 0, 0, 0, usual, 0}, 0.0},
        {{"runs", 100000, 0, runs_of_200, 0, 0, 0, usual, 0}, 0.12},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct outcome o = simulate(&cases[i].scene);
        const double share = (double)o.policy.wasted / (double)o.policy.fetched;
        printf("%-24s asked %6llu, wasted %.3f of fetched, %.2f s\n",
            cases[i].scene.name, (unsigned long long)o.policy.asked, share,
            o.seconds);
        in_case(cases[i].scene.name);
        CHECK(share <= cases[i].most);
    }
}

/* Whatever the filter, a LIMIT that we do not see costs 2k + 4 at most; the
 * simulation checks that at each ask, too. */
static void stopping_early_is_cheap(void)
{
    static bool (*const filters[])(size_t) = {all, one_in_2, one_in_4, one_in_8,
        one_in_20, one_in_100, every_second, runs_of_200};
    for (size_t f = 0; f < sizeof filters / sizeof *filters; f++) {
        for (size_t k = 1; k <= 200; k = k < 20 ? k + 1 : 2 * k) {
            const struct scene scene = {
                "early", 100000, k, filters[f], 2, 10000, 0.001, usual, 0};
            const struct outcome o = simulate(&scene);
            CHECK(o.policy.asked == k && o.policy.fetched <= 2 * k + 4);
        }
    }
}

static void asking_again_is_trusted_again(void)
{
    const struct scene scene = {
        "recovery", 5400, 0, after_5000, 2, 10000, 0, usual, 0};
    const struct outcome o = simulate(&scene);
    CHECK(s3e_policy_ahead(&o.policy, &usual) >= S3E_DEPTH_MIN);
    const double ideal = (double)o.policy.asked * 0.005;
    printf("recovery: %.3f of the cores' rate\n", ideal / o.seconds);
    CHECK(ideal / o.seconds >= 0.5);
}

static void limits_hold(void)
{
    struct s3e_window_limits limits = usual;
    struct s3e_policy p;
    s3e_policy_init(&p);
    CHECK(s3e_policy_ahead(&p, &limits) == 0); /* nothing asked yet */
    s3e_policy_ask(&p, 0);
    CHECK(s3e_policy_ahead(&p, &limits) == 1);
    for (int i = 0; i < 99; i++) {
        s3e_policy_ask(&p, 0);
    }
    p.fetched = 100;
    CHECK(s3e_policy_ahead(&p, &limits) == S3E_DEPTH_MIN);
    const size_t most = limits.max_bytes;
    static const struct {
        const char *name;
        struct s3e_load load;
        size_t bytes;
        uint64_t max_rows;
        bool may;
    } cases[] = {
        {"free", {0, 0, 0}, 1, 0, true},
        {"depth", {32, 0, 0}, 1, 0, false},
        {"connections", {0, 64, 0}, 1, 0, false},
        {"bytes just fit", {0, 0, 60 << 20}, 4 << 20, 0, true},
        {"bytes", {0, 0, 60 << 20}, (4 << 20) + 1, 0, false},
        {"bytes beyond", {0, 0, 65 << 20}, 0, 0, false},
        {"one body too large", {0, 0, 0}, SIZE_MAX, 0, false},
        {"LIMIT", {0, 0, 0}, 1, 100, false},
        {"LIMIT not reached", {0, 0, 0}, 1, 101, true},
    };
    CHECK(most == 64 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        in_case(cases[i].name);
        limits.max_rows = cases[i].max_rows;
        CHECK(s3e_policy_may_fetch(
                  &p, &limits, &cases[i].load, cases[i].bytes) == cases[i].may);
    }
    in_case(NULL);
    limits.prefetch = false;
    CHECK(s3e_policy_ahead(&p, &limits) == 0);
}

static void depth_follows_rate_and_tail(void)
{
    struct s3e_policy p;
    s3e_policy_init(&p);
    for (int64_t i = 1; i <= 20000; i++) {
        s3e_policy_ask(&p, i * 1000); /* 1,000 rows a second */
        s3e_policy_came(&p, 500000, 1);
    }
    const size_t rows = s3e_policy_ahead(&p, &usual);
    CHECK(rows >= 1000 && rows <= 1250);
    for (int i = 0; i < 2000; i++) {
        s3e_policy_came(&p, 60000000, 1);
    }
    CHECK(s3e_policy_ahead(&p, &usual) == S3E_DEPTH_MAX);
}

static void quantiles_are_close(void)
{
    struct s3e_latency l = {0};
    CHECK(s3e_latency_quantile(&l, 990) == 0);
    static const int64_t extremes[] = {-1, 0, 1, INT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        s3e_latency_add(&l, extremes[i]);
    }
    CHECK(s3e_latency_quantile(&l, 500) <= 2);
    l = (struct s3e_latency){0};
    for (int64_t us = 1; us <= 1000; us++) {
        s3e_latency_add(&l, us * 37);
    }
    static const unsigned at[] = {10, 500, 950, 990, 1000};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        const int64_t exact = 37 * (int64_t)at[i];
        const int64_t got = s3e_latency_quantile(&l, at[i]);
        CHECK(got >= exact && got <= exact * 5 / 4 + 1);
    }
    for (int i = 0; i < 20000; i++) { /* the old fades */
        s3e_latency_add(&l, 1000000);
    }
    CHECK(s3e_latency_quantile(&l, 10) >= 1000000);
}

static void sizes_are_guessed(void)
{
    struct s3e_policy p;
    s3e_policy_init(&p);
    CHECK(s3e_policy_guess(&p, 7) == 7);
    CHECK(s3e_policy_guess(&p, 0) == 0);
    CHECK(s3e_policy_guess(&p, -1) > 0);
    s3e_policy_came(&p, 1, 1000);
    s3e_policy_came(&p, 1, 3000);
    CHECK(s3e_policy_guess(&p, -1) == 2000);
}

static void demand_has_two_thresholds(void)
{
    struct s3e_demand d = {.share = 0.5, .hot = true};
    s3e_demand_row(&d, true);
    CHECK(d.hot);
    int misses = 0;
    for (; d.hot; misses++) {
        s3e_demand_row(&d, false);
    }
    CHECK(misses >= 2 && misses <= 6);
    s3e_demand_row(&d, true);
    CHECK(!d.hot || d.share >= 0.5);
    for (int i = 0; i < 3; i++) {
        s3e_demand_row(&d, true);
    }
    CHECK(d.hot);
}

int main(void)
{
    cores_are_kept_busy();
    little_is_wasted();
    stopping_early_is_cheap();
    asking_again_is_trusted_again();
    limits_hold();
    depth_follows_rate_and_tail();
    quantiles_are_close();
    sizes_are_guessed();
    demand_has_two_thresholds();
    return 0;
}
