/* http.c against a server of our own on the loopback: what it is asked for in
 * the path, it does. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/sync.h"
#include "s3vfs/http.h"
#include "tests/harness.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The thread sanitizer gives up on threads in forked children unless told. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

enum { CLIENTS = 160, MANY = 400 };

static struct s3e_route g_route = {.proxy = "", .stall_timeout_ms = 1000};

/* ---- the server ---- */

static int g_listener, g_port;
static struct s3e_thread g_servers[CLIENTS];
static atomic_int g_connections, g_inside, g_peak;

static void send_all(int fd, const char *text, size_t len)
{
    while (len) {
        const ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return;
        }
        text += n;
        len -= (size_t)n;
    }
}

static void send_text(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

/* `len` bytes of a body, byte i being 'a' + i % 26. */
static void send_body(int fd, size_t len)
{
    char piece[2600];
    for (size_t i = 0; i < sizeof piece; i++) {
        piece[i] = (char)('a' + i % 26);
    }
    for (; len; len -= len < sizeof piece ? len : sizeof piece) {
        send_all(fd, piece, len < sizeof piece ? len : sizeof piece);
    }
}

static void send_length(int fd, long len)
{
    char head[128];
    (void)snprintf(head, sizeof head,
        "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\nX-Mixed-Case:  Some Value "
        "\r\n\r\n",
        len);
    send_text(fd, head);
}

static void reset(int fd)
{
    const struct linger now = {1, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/* What the request looked like, as the body of the answer. */
static void echo(int fd, const char *request)
{
    send_length(fd, (long)strlen(request));
    send_text(fd, request);
}

static void many_headers(int fd)
{
    char line[1024];
    memset(line, 'x', sizeof line);
    memcpy(line, "X-A: ", 5);
    memcpy(line + sizeof line - 3, "\r\n", 3);
    send_text(fd, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 70; i++) {
        send_text(fd, line);
    }
    send_text(fd, "Content-Length: 0\r\n\r\n");
}

static void pause_ms(int ms)
{
    (void)usleep((useconds_t)ms * 1000);
}

/* Answers a little late, and counts how many do so at once. */
static void count_inside(int fd, const char *request)
{
    const int inside = atomic_fetch_add(&g_inside, 1) + 1;
    int peak = atomic_load(&g_peak);
    while (inside > peak &&
           !atomic_compare_exchange_weak(&g_peak, &peak, inside)) {
    }
    pause_ms(1);
    atomic_fetch_sub(&g_inside, 1);
    echo(fd, request);
}

/* Answers one request; false where the connection ends. */
static bool answer(int fd, const char *request)
{
    const char *path = strchr(request, ' ') + 1;
    long n = 0;
    if (sscanf(path, "/bytes/%ld", &n) == 1) {
        send_length(fd, n);
        if (strncmp(request, "HEAD", 4) != 0) {
            send_body(fd, (size_t)n);
        }
        return true;
    }
    if (sscanf(path, "/status/%ld", &n) == 1) {
        char head[64];
        (void)snprintf(head, sizeof head,
            "HTTP/1.1 %ld X\r\nContent-Length: 300\r\n\r\n", n);
        send_text(fd, head);
        send_body(fd, 300);
        return true;
    }
    if (strncmp(path, "/long-refusal", 13) == 0) {
        send_text(fd, "HTTP/1.1 503 X\r\nContent-Length: 300000\r\n\r\n");
        send_body(fd, 300000);
        return true;
    }
    if (sscanf(path, "/slow/%ld", &n) == 1) {
        pause_ms((int)n);
        echo(fd, request);
        return true;
    }
    if (strncmp(path, "/count", 6) == 0) {
        count_inside(fd, request);
        return true;
    }
    if (strncmp(path, "/echo", 5) == 0) {
        echo(fd, request);
        return true;
    }
    if (strncmp(path, "/interim", 8) == 0) {
        send_text(fd, "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n");
        echo(fd, request);
        return true;
    }
    if (strncmp(path, "/redirect", 9) == 0) {
        send_text(fd, "HTTP/1.1 301 Moved\r\nLocation: /echo\r\n"
                      "Content-Length: 0\r\n\r\n");
        return true;
    }
    if (strncmp(path, "/chunks", 7) == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "5\r\nabcde\r\n3\r\nfgh\r\n0\r\n\r\n");
        return true;
    }
    if (strncmp(path, "/cut-chunks", 11) == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "5\r\nab");
    } else if (strncmp(path, "/cut", 4) == 0) {
        send_length(fd, 1024);
        send_body(fd, 512);
    } else if (strncmp(path, "/reset-body", 11) == 0) {
        send_length(fd, 1024);
        send_body(fd, 512);
        pause_ms(50);
        reset(fd);
    } else if (strncmp(path, "/reset", 6) == 0) {
        reset(fd);
    } else if (strncmp(path, "/half-header", 12) == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Le");
    } else if (strncmp(path, "/not-http", 9) == 0) {
        send_text(fd, "SSH-2.0-OpenSSH_9.2p1\r\n");
    } else if (strncmp(path, "/headers", 8) == 0) {
        many_headers(fd);
    } else if (strncmp(path, "/stall", 6) == 0) {
        send_length(fd, 1024);
        send_body(fd, 10);
        pause_ms(2500);
    }
    return false;
}

/* Reads a request with its body, if it has one, into `text`. */
static bool read_request(int fd, char *text, size_t room)
{
    size_t len = 0, want = SIZE_MAX;
    text[0] = '\0';
    while (len < want && len + 1 < room) {
        const ssize_t n = recv(fd, text + len, room - len - 1, 0);
        if (n <= 0) {
            return false;
        }
        len += (size_t)n;
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strstr(text, "Content-Length: ");
        if (end) {
            want = (size_t)(end - text) + 4 +
                   (length ? strtoul(length + 16, NULL, 10) : 0);
        }
    }
    return true;
}

static void serve(int fd)
{
    char request[16384];
    while (read_request(fd, request, sizeof request)) {
        if (!answer(fd, request)) {
            break;
        }
    }
    (void)close(fd);
}

static void serve_all(void *arg)
{
    (void)arg;
    int fd = 0;
    while ((fd = accept(g_listener, NULL, NULL)) >= 0) {
        atomic_fetch_add(&g_connections, 1);
        serve(fd);
    }
}

static void start_server(void)
{
    struct s3e_err err;
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    g_listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(g_listener >= 0);
    CHECK(bind(g_listener, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(listen(g_listener, 128) == 0);
    CHECK(getsockname(g_listener, (struct sockaddr *)&at, &len) == 0);
    g_port = ntohs(at.sin_port);
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_RC(
            s3e_thread_start(&g_servers[i], "serve", serve_all, NULL, &err),
            S3E_OK, &err);
    }
}

/* ---- the client ---- */

struct call {
    struct s3e_exchange ex;
    char url[256];
};

static void prepare(struct call *c, const char *path)
{
    memset(c, 0, sizeof *c);
    (void)snprintf(
        c->url, sizeof c->url, "http://127.0.0.1:%d%s", g_port, path);
    c->ex.in.method = "GET";
    c->ex.in.url = c->url;
    c->ex.in.route = &g_route;
    c->ex.in.max_body = 1 << 20;
}

static s3e_rc go(struct call *c)
{
    return s3e_exchange_run(s3e_http(), &c->ex, NULL, NULL);
}

static s3e_rc fetch(struct call *c, const char *path)
{
    prepare(c, path);
    return go(c);
}

static bool body_has(const struct call *c, const char *text)
{
    const struct s3e_span body = s3e_blob_span(c->ex.out.body);
    return body.len && memmem(body.ptr, body.len, text, strlen(text)) != NULL;
}

static void test_body(void)
{
    struct call c;
    CHECK_RC(fetch(&c, "/bytes/300000"), S3E_OK, &c.ex.out.err);
    CHECK(c.ex.out.status == 200);
    CHECK(c.ex.out.body->len == 300000 && c.ex.out.body->room == 300000);
    for (size_t i = 0; i < 300000; i++) {
        CHECK(c.ex.out.body->data[i] == 'a' + i % 2600 % 26);
    }
    CHECK_SPAN(s3e_exchange_header(&c.ex, "x-mixed-case"), "Some Value");
    CHECK_SPAN(s3e_exchange_header(&c.ex, "content-length"), "300000");
    CHECK(!s3e_exchange_header(&c.ex, "x-mixed").ptr);
    CHECK(!s3e_exchange_header(&c.ex, "x-none").ptr);
    CHECK(c.ex.out.total_us > 0 && c.ex.out.total_us >= c.ex.out.first_byte_us);
    s3e_exchange_reset(&c.ex);
    CHECK(!c.ex.out.body && !c.ex.out.headers.ptr);

    CHECK_RC(fetch(&c, "/bytes/0"), S3E_OK, &c.ex.out.err);
    CHECK(!c.ex.out.body);
    s3e_exchange_reset(&c.ex);
    CHECK_RC(fetch(&c, "/chunks"), S3E_OK, &c.ex.out.err);
    CHECK_SPAN(s3e_blob_span(c.ex.out.body), "abcdefgh");
    s3e_exchange_reset(&c.ex);
}

static void test_request_is_sent_as_given(void)
{
    static const char *const headers[] = {
        "x-amz-date: 20150830T123600Z", "Range: bytes=0-9", NULL};
    struct call c;
    prepare(&c, "/echo/a/../b/./c//d/%2e%2E/%20?x=%2F&y=");
    c.ex.in.headers = headers;
    CHECK_RC(go(&c), S3E_OK, &c.ex.out.err);
    CHECK(body_has(
        &c, "GET /echo/a/../b/./c//d/%2e%2E/%20?x=%2F&y= HTTP/1.1\r\n"));
    CHECK(body_has(&c, "\r\nx-amz-date: 20150830T123600Z\r\n"));
    CHECK(body_has(&c, "\r\nRange: bytes=0-9\r\n"));
    CHECK(!body_has(&c, "Accept-Encoding") && !body_has(&c, "Cookie") &&
          !body_has(&c, "Authorization"));
    s3e_exchange_reset(&c.ex);

    prepare(&c, "/echo");
    c.ex.in.method = "PUT";
    c.ex.in.body = S3E_LIT("the body");
    CHECK_RC(go(&c), S3E_OK, &c.ex.out.err);
    CHECK(body_has(&c, "PUT /echo HTTP/1.1\r\n"));
    CHECK(body_has(&c, "Content-Length: 8\r\n") && body_has(&c, "the body"));
    CHECK(!body_has(&c, "Expect") && !body_has(&c, "Content-Type"));
    s3e_exchange_reset(&c.ex);

    prepare(&c, "/echo");
    c.ex.in.method = "PUT";
    CHECK_RC(go(&c), S3E_OK, &c.ex.out.err);
    CHECK(body_has(&c, "Content-Length: 0\r\n"));
    s3e_exchange_reset(&c.ex);

    prepare(&c, "/echo");
    c.ex.in.method = "DELETE";
    CHECK_RC(go(&c), S3E_OK, &c.ex.out.err);
    CHECK(body_has(&c, "DELETE /echo HTTP/1.1\r\n"));
    s3e_exchange_reset(&c.ex);

    prepare(&c, "/bytes/2000000"); /* longer than max_body: not sent */
    c.ex.in.method = "HEAD";
    CHECK_RC(go(&c), S3E_OK, &c.ex.out.err);
    CHECK(!c.ex.out.body);
    CHECK_SPAN(s3e_exchange_header(&c.ex, "content-length"), "2000000");
    s3e_exchange_reset(&c.ex);
}

static void test_answers(void)
{
    static const struct {
        const char *path;
        s3e_rc rc;
        int status;
        const char *says;
    } cases[] = {
        {"/status/404", S3E_OK, 404, ""},
        {"/status/503", S3E_OK, 503, ""},
        {"/redirect", S3E_OK, 301, ""},
        {"/interim", S3E_OK, 200, ""},
        {"/cut", S3E_E_IO, 200, "received 512 of 1024 bytes"},
        {"/reset-body", S3E_E_IO, 200, "received 512 of 1024 bytes"},
        {"/cut-chunks", S3E_E_IO, 200, "broke off"},
        {"/stall", S3E_E_IO, 200, "received 10 of 1024 bytes"},
        {"/reset", S3E_E_UNREACHABLE, 0, "http://127.0.0.1:"},
        {"/close", S3E_E_UNREACHABLE, 0, "Empty reply"},
        {"/not-http", S3E_E_UNREACHABLE, 0, "HTTP/0.9"},
        {"/slow/2500", S3E_E_UNREACHABLE, 0, "too slow"},
        {"/headers", S3E_E_LIMIT, 200, "header exceeds 65536 bytes"},
        {"/half-header", S3E_E_IO, 200, "broke off"},
        {"/bytes/1048577", S3E_E_LIMIT, 200,
            "the answer has 1048577 bytes, more than the 1048576 allowed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct call c;
        in_case(cases[i].path);
        CHECK_RC(fetch(&c, cases[i].path), cases[i].rc, &c.ex.out.err);
        CHECK(c.ex.out.status == cases[i].status);
        if (cases[i].rc) {
            CHECK(!c.ex.out.body);
            if (!strstr(c.ex.out.err.msg, cases[i].says)) {
                CHECK_STR(c.ex.out.err.msg, cases[i].says);
            }
        }
        s3e_exchange_reset(&c.ex);
    }
    in_case(NULL);
}

static void test_limits(void)
{
    struct call c;
    prepare(&c, "/chunks"); /* no length is told: found while reading */
    c.ex.in.max_body = 7;
    CHECK_RC(go(&c), S3E_E_LIMIT, &c.ex.out.err);
    s3e_exchange_reset(&c.ex);
    prepare(&c, "/chunks");
    c.ex.in.max_body = 8;
    CHECK_RC(go(&c), S3E_OK, &c.ex.out.err);
    s3e_exchange_reset(&c.ex);
    prepare(&c, "/status/404"); /* what says why is read all the same */
    c.ex.in.max_body = 10;
    CHECK_RC(go(&c), S3E_OK, &c.ex.out.err);
    CHECK(c.ex.out.body->len == 300);
    s3e_exchange_reset(&c.ex);

    CHECK_RC(fetch(&c, "/long-refusal"), S3E_OK, &c.ex.out.err);
    CHECK(c.ex.out.status == 503 && c.ex.out.body->len == 65536);
    s3e_exchange_reset(&c.ex);

    struct s3e_route route = g_route;
    route.total_timeout_ms = 100;
    prepare(&c, "/slow/800");
    c.ex.in.route = &route;
    const int64_t began = s3e_clock_ms();
    CHECK_RC(go(&c), S3E_E_UNREACHABLE, &c.ex.out.err);
    CHECK(s3e_clock_ms() - began < 700);
    s3e_exchange_reset(&c.ex);
}

static void test_not_reached(void)
{
    static const char *const urls[] = {"http://127.0.0.1:1/",
        "http://nowhere.invalid/", "ftp://127.0.0.1/", "file:///etc/passwd",
        "nonsense", ""};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct call c;
        in_case(urls[i]);
        prepare(&c, "");
        c.ex.in.url = urls[i];
        CHECK_RC(go(&c), S3E_E_UNREACHABLE, &c.ex.out.err);
        CHECK(c.ex.out.status == 0 && c.ex.out.err.msg[0]);
        s3e_exchange_reset(&c.ex);
    }
    in_case(NULL);
}

/* Twice: the second finds what the first left behind. */
static void test_not_resolved(void)
{
    for (int i = 0; i < 2; i++) {
        struct call c;
        prepare(&c, "");
        c.ex.in.url = "http://nowhere.invalid:9000/bucket";
        CHECK_RC(go(&c), S3E_E_UNREACHABLE, &c.ex.out.err);
        CHECK_STR(c.ex.out.err.msg,
            "cannot resolve host nowhere.invalid: check the endpoint or "
            "region, and the network");
        s3e_exchange_reset(&c.ex);
    }
}

static void test_trusted_cas(void)
{
    struct s3e_route route = g_route;
    struct call c;
    char url[64];
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%d/echo", g_port);
    route.ca_bundle = "/nowhere/ca.pem";
    prepare(&c, "");
    c.ex.in.url = url;
    c.ex.in.route = &route;
    CHECK_RC(go(&c), S3E_E_UNREACHABLE, &c.ex.out.err);
    CHECK(strstr(c.ex.out.err.msg, "/nowhere/ca.pem that ca_bundle names"));
    s3e_exchange_reset(&c.ex);

    CHECK(setenv("AWS_CA_BUNDLE", "/nowhere/aws.pem", 1) == 0);
    route.ca_bundle = NULL;
    CHECK_RC(go(&c), S3E_E_UNREACHABLE, &c.ex.out.err);
    CHECK(strstr(c.ex.out.err.msg, "/nowhere/aws.pem that AWS_CA_BUNDLE"));
    s3e_exchange_reset(&c.ex);
    CHECK(unsetenv("AWS_CA_BUNDLE") == 0);
}

/* ---- many at once ---- */

struct crowd {
    struct s3e_mutex lock;
    struct s3e_cond ended;
    int left;
};

static void leave(struct s3e_exchange *ex)
{
    struct crowd *crowd = ex->in.user;
    s3e_mutex_lock(&crowd->lock);
    crowd->left--;
    s3e_cond_signal(&crowd->ended);
    s3e_mutex_unlock(&crowd->lock);
}

static struct call *start_crowd(
    struct crowd *crowd, int count, const char *path, int delay_ms)
{
    struct s3e_err err;
    struct call *calls = calloc((size_t)count, sizeof *calls);
    CHECK(calls != NULL);
    CHECK_RC(s3e_mutex_init(&crowd->lock, &err), S3E_OK, &err);
    CHECK_RC(s3e_cond_init(&crowd->ended, &err), S3E_OK, &err);
    crowd->left = count;
    for (int i = 0; i < count; i++) {
        prepare(&calls[i], path);
        calls[i].ex.in.done = leave;
        calls[i].ex.in.user = crowd;
        calls[i].ex.in.delay_ms = i % 7 * delay_ms;
        s3e_http()->start(s3e_http(), &calls[i].ex);
    }
    return calls;
}

static void wait_crowd(struct crowd *crowd)
{
    s3e_mutex_lock(&crowd->lock);
    while (crowd->left) {
        s3e_cond_wait(&crowd->ended, &crowd->lock);
    }
    s3e_mutex_unlock(&crowd->lock);
    s3e_cond_deinit(&crowd->ended);
    s3e_mutex_deinit(&crowd->lock);
}

static void free_crowd(struct call *calls, int count)
{
    for (int i = 0; i < count; i++) {
        s3e_exchange_reset(&calls[i].ex);
    }
    free(calls);
}

static void test_many_share_connections(void)
{
    struct crowd crowd;
    s3e_http_shutdown();
    g_route.max_connections = 8;
    const int connections = atomic_load(&g_connections);
    atomic_store(&g_peak, 0);
    struct call *calls = start_crowd(&crowd, MANY, "/count", 0);
    wait_crowd(&crowd);
    for (int i = 0; i < MANY; i++) {
        CHECK_RC(calls[i].ex.out.rc, S3E_OK, &calls[i].ex.out.err);
    }
    free_crowd(calls, MANY);
    CHECK(atomic_load(&g_peak) > 1 && atomic_load(&g_peak) <= 8);
    CHECK(atomic_load(&g_connections) - connections <= 8);
    g_route.max_connections = 0;
}

static void test_delay(void)
{
    struct call c;
    prepare(&c, "/echo");
    c.ex.in.delay_ms = 120;
    const int64_t began = s3e_clock_ms();
    CHECK_RC(go(&c), S3E_OK, &c.ex.out.err);
    CHECK(s3e_clock_ms() - began >= 119);
    s3e_exchange_reset(&c.ex);
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void test_cancel(void)
{
    struct call c;
    struct crowd crowd;
    prepare(&c, "/slow/900");
    const int64_t began = s3e_clock_ms();
    CHECK_RC(s3e_exchange_run(s3e_http(), &c.ex, at_once, NULL), S3E_E_STOPPED,
        &c.ex.out.err);
    CHECK(s3e_clock_ms() - began < 500);
    s3e_http()->cancel(s3e_http(), &c.ex); /* ended: harmless */
    s3e_exchange_reset(&c.ex);
    CHECK_RC(go(&c), S3E_E_STOPPED, &c.ex.out.err); /* and for later starts */
    s3e_exchange_reset(&c.ex);

    /* Some under way, some waiting for a connection, some for their time. */
    struct call *calls = start_crowd(&crowd, MANY, "/slow/20", 50);
    for (int i = 0; i < MANY; i++) {
        s3e_http()->cancel(s3e_http(), &calls[i].ex);
    }
    wait_crowd(&crowd);
    for (int i = 0; i < MANY; i++) {
        const s3e_rc rc = calls[i].ex.out.rc;
        CHECK(rc == S3E_OK || rc == S3E_E_STOPPED);
        CHECK((rc == S3E_OK) == (calls[i].ex.out.body != NULL));
    }
    free_crowd(calls, MANY);
}

static void test_shutdown(void)
{
    struct call c;
    struct crowd crowd;
    for (int round = 0; round < 5; round++) {
        struct call *calls = start_crowd(&crowd, 100, "/slow/30", 20);
        s3e_http_shutdown();
        wait_crowd(&crowd);
        for (int i = 0; i < 100; i++) {
            const s3e_rc rc = calls[i].ex.out.rc;
            CHECK(rc == S3E_OK || rc == S3E_E_STOPPED);
        }
        free_crowd(calls, 100);
    }
    CHECK_RC(fetch(&c, "/echo"), S3E_OK, &c.ex.out.err); /* starts anew */
    s3e_exchange_reset(&c.ex);
}

static void start_again(struct s3e_exchange *ex)
{
    struct crowd *crowd = ex->in.user;
    if (ex->out.rc == S3E_OK && crowd->left > 1) {
        crowd->left--;
        s3e_exchange_reset(ex);
        s3e_http()->start(s3e_http(), ex);
        return;
    }
    leave(ex);
}

static void test_done_may_start_anew(void)
{
    struct crowd crowd;
    struct s3e_err err;
    struct call c;
    CHECK_RC(s3e_mutex_init(&crowd.lock, &err), S3E_OK, &err);
    CHECK_RC(s3e_cond_init(&crowd.ended, &err), S3E_OK, &err);
    crowd.left = 50;
    prepare(&c, "/echo");
    c.ex.in.done = start_again;
    c.ex.in.user = &crowd;
    s3e_http()->start(s3e_http(), &c.ex);
    wait_crowd(&crowd);
    CHECK_RC(c.ex.out.rc, S3E_OK, &c.ex.out.err);
    s3e_exchange_reset(&c.ex);
}

/* Threads start, cancel and end exchanges at once. */
static void storm(void *arg)
{
    struct call c;
    (void)arg;
    for (int i = 0; i < 60; i++) {
        prepare(&c, i % 3 ? "/echo" : "/slow/5");
        const s3e_rc rc = s3e_exchange_run(
            s3e_http(), &c.ex, i % 5 == 0 ? at_once : NULL, NULL);
        CHECK(rc == S3E_OK || rc == S3E_E_STOPPED);
        s3e_exchange_reset(&c.ex);
    }
}

static void test_threads(void)
{
    struct s3e_thread threads[6];
    struct s3e_err err;
    for (int i = 0; i < 6; i++) {
        CHECK_RC(s3e_thread_start(&threads[i], "storm", storm, NULL, &err),
            S3E_OK, &err);
    }
    for (int i = 0; i < 3; i++) {
        pause_ms(10);
        s3e_http_shutdown();
    }
    for (int i = 0; i < 6; i++) {
        s3e_thread_join(&threads[i]);
    }
}

/* A child has no thread of its parent's: its own exchanges run, its parent's
 * are left alone, and its exit ends. */
static void test_fork(void)
{
    struct crowd crowd;
    struct call c, *calls = start_crowd(&crowd, 20, "/slow/100", 0);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        s3e_http()->cancel(s3e_http(), &calls[0].ex);
        if (fetch(&c, "/echo") || c.ex.out.status != 200) {
            _exit(1);
        }
        s3e_http_shutdown();
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    wait_crowd(&crowd);
    for (int i = 0; i < 20; i++) {
        CHECK_RC(calls[i].ex.out.rc, S3E_OK, &calls[i].ex.out.err);
    }
    free_crowd(calls, 20);
}

/* exit() with exchanges under way ends them, and refuses later ones. */
static void test_exit(void)
{
    (void)fflush(stdout);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        static struct crowd crowd;
        static struct call *calls;
        calls = start_crowd(&crowd, 20, "/slow/2000", 0);
        exit(calls ? 0 : 1);
    }
    const int64_t began = s3e_clock_ms();
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(s3e_clock_ms() - began < 1500);
}

static s3e_rc sweep_body(void *ctx)
{
    struct call c;
    (void)ctx;
    const s3e_rc rc = fetch(&c, "/bytes/1000");
    s3e_exchange_reset(&c.ex);
    s3e_http_shutdown();
    return rc;
}

static void test_describe(void)
{
    char text[256];
    s3e_http_describe(text, sizeof text);
    CHECK(strstr(text, "libcurl/") && strstr(text, "trusted CAs "));
}

int main(void)
{
    count_allocations();
    start_server();
    while (live_allocations() > 0) { /* its threads have not all begun */
        pause_ms(1);
    }
    CHECK(sweep_body(NULL) == S3E_OK); /* what lives as long as the process */
    sweep_allocations(sweep_body, NULL);
    const long live = live_allocations();
    test_body();
    test_request_is_sent_as_given();
    test_answers();
    test_limits();
    test_not_reached();
    test_not_resolved();
    test_trusted_cas();
    test_many_share_connections();
    test_delay();
    test_cancel();
    test_shutdown();
    test_done_may_start_anew();
    test_threads();
    test_fork();
    test_exit();
    test_describe();
    s3e_http_shutdown();
    CHECK(live_allocations() == live);
    (void)shutdown(g_listener, SHUT_RDWR);
    (void)close(g_listener);
    for (int i = 0; i < CLIENTS; i++) {
        s3e_thread_join(&g_servers[i]);
    }
    return 0;
}
