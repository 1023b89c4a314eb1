/* random_requests BUCKET COUNT SEED - sends COUNT random requests of ours to
 * the server that the environment names, 64 side by side, and ends with 1 where
 * it does not accept a signature. What it answers else is counted only: most
 * keys are not there. */
#include "base/mem.h"
#include "s3vfs/account.h"
#include "s3vfs/http.h"
#include "s3vfs/latch.h"
#include "s3vfs/retry.h"
#include "s3vfs/store.h"
#include "s3vfs/uri.h"
#include "tests/harness.h"

enum { AT_ONCE = 64, TEXT_MAX = 300, RCS = S3E_E_STOPPED + 1 };

struct job {
    struct s3e_op op;
    struct s3e_latch ended;
    uint8_t key[TEXT_MAX], text[3][TEXT_MAX];
};

static uint64_t g_state;

static size_t pick(size_t below)
{
    return (size_t)(s3e_retry_dice(&g_state) * (double)below);
}

/* A character: of those that signers get wrong, or any of one to four bytes. */
static size_t put_character(uint8_t *out)
{
    static const char odd[] = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    static const char *const more[] = {"\xc3\xa9", "\xc2\xa0", "\xe6\xbc\xa2",
        "\xe2\x80\xa8", "\xf0\x9f\x98\x80", "\xef\xbf\xbd", "\xcc\x81", "\t",
        "\x7f"};
    switch (pick(5)) {
    case 0:
    case 1:
        *out = (uint8_t)odd[pick(sizeof odd - 1)];
        return 1;
    case 2: {
        const char *c = more[pick(sizeof more / sizeof *more)];
        memcpy(out, c, strlen(c));
        return strlen(c);
    }
    default:
        *out = (uint8_t) "0aZ9"[pick(4)];
        return 1;
    }
}

static struct s3e_span put_text(uint8_t out[TEXT_MAX], size_t least)
{
    const size_t want = least + pick(pick(4) ? 12 : TEXT_MAX - 8);
    size_t len = 0;
    while (len < want) {
        len += put_character(out + len);
    }
    return (struct s3e_span){out, len};
}

static void open_latch(struct s3e_op *op)
{
    s3e_latch_open(op->in.user);
}

static void describe(struct job *job)
{
    struct s3e_op *op = &job->op;
    memset(op, 0, sizeof *op);
    op->in.done = open_latch;
    op->in.user = &job->ended;
    if (pick(3) == 0) {
        op->in.kind = S3E_OP_LIST;
        op->in.max_keys = (unsigned)pick(1001);
        if (pick(2)) {
            op->in.prefix = put_text(job->text[0], 0);
        }
        if (pick(2)) {
            op->in.start_after = put_text(job->text[1], 0);
        }
        if (pick(4) == 0) {
            op->in.token = put_text(job->text[2], 1);
        }
        if (pick(2)) {
            op->in.delimiter = S3E_LIT("/");
        }
        return;
    }
    op->in.kind = pick(3) ? S3E_OP_GET : S3E_OP_HEAD;
    op->in.key = put_text(job->key, 1);
    if (pick(3) == 0) {
        op->in.etag = S3E_LIT("0123456789abcdef-2");
    }
    if (op->in.kind == S3E_OP_GET && pick(3) == 0) {
        op->in.offset = pick(1000);
        op->in.length = 1 + pick(1000);
    }
}

static bool is_refused(const struct s3e_op *op)
{
    return op->out.rc == S3E_E_AUTH || op->out.rc == S3E_E_DENIED ||
           op->out.rc == S3E_E_UNREACHABLE;
}

/* Starts and ends `count` requests in batches; the number refused. */
static unsigned long send_all(
    struct s3e_store *store, unsigned long count, unsigned long ends[RCS])
{
    static struct job jobs[AT_ONCE];
    struct s3e_err err;
    unsigned long refused = 0;
    while (count) {
        const size_t now = count < AT_ONCE ? count : AT_ONCE;
        for (size_t i = 0; i < now; i++) {
            describe(&jobs[i]);
            CHECK_RC(s3e_latch_init(&jobs[i].ended, &err), S3E_OK, &err);
            s3e_store_start(store, &jobs[i].op);
        }
        for (size_t i = 0; i < now; i++) {
            const struct s3e_op *op = &jobs[i].op;
            CHECK(s3e_latch_wait(&jobs[i].ended, NULL, NULL));
            s3e_latch_deinit(&jobs[i].ended);
            ends[op->out.rc]++;
            if (is_refused(op) && refused++ < 10) {
                (void)printf("refused: %s\n", op->out.err.msg);
            } else if (op->out.rc == S3E_E_IO && ends[S3E_E_IO] < 10) {
                (void)printf("failed: %s\n", op->out.err.msg);
            }
            s3e_op_reset(&jobs[i].op);
        }
        count -= now;
    }
    return refused;
}

int main(int argc, char **argv)
{
    const struct s3e_overrides none = {0};
    struct s3e_account *account = NULL;
    struct s3e_store *store = NULL;
    struct s3e_target target = {0};
    struct s3e_err err;
    unsigned long ends[RCS] = {0};
    CHECK(argc == 4);
    g_state = strtoull(argv[3], NULL, 10);
    CHECK_RC(s3e_account_new(&account, &none, s3e_http(), NULL, NULL, &err),
        S3E_OK, &err);
    CHECK_RC(s3e_account_prepare(account, NULL, NULL, &err), S3E_OK, &err);
    CHECK_RC(
        s3e_target_parse(&target, s3e_span_str(argv[1]), &err), S3E_OK, &err);
    CHECK_RC(s3e_store_open(&store, &target, account, &err), S3E_OK, &err);
    const unsigned long refused =
        send_all(store, strtoul(argv[2], NULL, 10), ends);
    s3e_store_unref(store);
    s3e_account_unref(account);
    s3e_target_deinit(&target);
    s3e_http_shutdown();
    (void)printf("%lu refused; ok %lu, not found %lu, changed %lu, behind the "
                 "end %lu, else %lu\n",
        refused, ends[S3E_OK], ends[S3E_E_NOTFOUND], ends[S3E_E_CHANGED],
        ends[S3E_E_RANGE], ends[S3E_E_IO] + ends[S3E_E_INPUT]);
    return refused ? 1 : 0;
}
