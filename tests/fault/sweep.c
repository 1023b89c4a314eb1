/* tests/fault/sweep.c - the whole module with allocation k failing, k = 1, 2,
 * 3... to a clean run: listing, getting, embedding, loading a model, each on a
 * connection of its own. Right rows or "out of memory", nothing left behind.
 *
 *   sweep EXAMPLES-FOLDER MODEL.onnx */
#include "include/s3embed.h"
#include "tests/harness.h"

#include <sched.h>
#include <sqlite3.h>

struct body {
    const char *sql;
    const char *want; /* all values of all rows, joined by '|' */
};

static int join(void *ctx, int columns, char **values, char **names)
{
    char *out = ctx;
    (void)names;
    for (int i = 0; i < columns; i++) {
        const size_t len = strlen(out);
        (void)snprintf(out + len, 4096 - len, "%s%s", len ? "|" : "",
            values[i] ? values[i] : "NULL");
    }
    return 0;
}

static s3e_rc run(void *ctx)
{
    const struct body *body = ctx;
    char got[4096] = "";
    char *message = NULL;
    sqlite3 *db = NULL;
    s3e_rc out = S3E_OK;
    int rc = sqlite3_open(":memory:", &db);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, body->sql, join, got, &message);
    }
    if (rc == SQLITE_OK) {
        CHECK_STR(got, body->want);
    } else {
        const bool nomem = rc == SQLITE_NOMEM ||
                           (message && strstr(message, "no memory")) ||
                           strstr(sqlite3_errmsg(db), "out of memory") ||
                           strstr(sqlite3_errmsg(db), "automatic extension");
        if (!nomem) {
            (void)fprintf(
                stderr, "%d: %s\n", rc, message ? message : sqlite3_errmsg(db));
        }
        CHECK(nomem);
        out = S3E_E_NOMEM;
    }
    sqlite3_free(message);
    CHECK(sqlite3_close(db) == SQLITE_OK);
    return out;
}

static void sweep(
    const char *name, const char *want, const char *format, const char *text)
{
    char *sql = sqlite3_mprintf(format, text);
    CHECK(sql != NULL);
    struct body body = {sql, want};
    in_case(name);
    CHECK(run(&body) == S3E_OK); /* what is made once a process is made */
    sweep_allocations(run, &body);
    sqlite3_free(sql);
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

/* On one CPU the caller computes alone: a model then keeps one session, not
 * one more whenever two calls happened to meet. */
static void use_one_cpu(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    const int cpu = sched_getcpu();
    CHECK(cpu >= 0);
    CPU_SET((size_t)cpu, &set);
    CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    use_one_cpu();
    count_allocations();
    CHECK(sqlite3_auto_extension((void (*)(void))sqlite3_sembed_init) ==
          SQLITE_OK);
    sweep("list", "36|444",
        "SELECT count(*), sum(length(name)) "
        "FROM s3_objects('file:%q/*/*.jpg')",
        argv[1]);
    sweep("get", "3",
        "SELECT count(s3_get(key)) FROM "
        "s3_objects('file:%q/*/*_01.jpg')",
        argv[1]);
    sweep("embed", "3072",
        "SELECT sum(length(embed(s3_get(key)))) FROM "
        "s3_objects('file:%q/*/*_01.jpg')",
        argv[1]);
    sweep("group", "apple|1|banana|1|lemon|1",
        "SELECT folder, count(embed(s3_get(key))) FROM "
        "s3_objects('file:%q/*/*_01.jpg') GROUP BY folder",
        argv[1]);
    sweep("folders", "apple|banana|lemon",
        "SELECT folder FROM s3_folders('file:%q')", argv[1]);
    sweep("model", "0|1",
        "SELECT embed_load('m', '%q') IS NULL, "
        "embed_unload('m')",
        argv[2]);
    sweep("models", "default|256", "SELECT name, dims FROM embed_models", "");
    sweep("stats", "16", "SELECT count(*) FROM s3_stats", "");
    sweep("errors", "null|NULL|1", /* without memory none is recorded */
        "SELECT s3_config('on_error', 'null'); SELECT embed(x'00');"
        "SELECT count(*) < 2 FROM s3_errors",
        "");
    sweep("text", "[1,0.5]|1,0.5",
        "SELECT embed_json(x'0000803f0000003f'),"
        "embed_csv(x'0000803f0000003f')",
        "");
    sweep("debug", "1", "SELECT json_valid(s3embed_debug())", "");
    return 0;
}
