/* The official signing test suite (awslabs/aws-c-auth, 38 cases, each signed in
 * headers and in the query) in $S3E_SHARED/data/sigv4-suite, a check a stage.
 * S3 never normalises a path: for the cases that want it, this test does. */
#include "s3vfs/sigv4.h"
#include "tests/harness.h"

#include "base/clock.h"
#include "s3vfs/uri.h"

#include <dirent.h>
#include <jansson.h>

enum { MAX = 65536, SKIPPED = 77, CASES = 38 };

struct one_case {
    const char *folder;
    json_t *context;
    char *text; /* request.txt, cut into pieces in place */
    struct s3e_sigv4_header headers[20];
    struct s3e_buf path, query; /* percent-encoded */
    char payload[S3E_SHA256_HEX];
    struct s3e_sigv4 who;
    struct s3e_sigv4_request req;
};

/* A file of the case; free it. */
static char *slurp(const char *folder, const char *name)
{
    char path[1000];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    const struct s3e_span bytes = read_file(path);
    char *text = malloc(bytes.len + 1);
    CHECK(text != NULL);
    memcpy(text, bytes.ptr, bytes.len);
    text[bytes.len] = '\0';
    free((void *)(uintptr_t)bytes.ptr);
    return text;
}

static struct s3e_span field(json_t *object, const char *name)
{
    return s3e_span_str(json_string_value(json_object_get(object, name)));
}

static bool flag(const struct one_case *c, const char *name)
{
    return json_is_true(json_object_get(c->context, name));
}

/* RFC 3986, 5.2.4, and one slash for a run of them. */
static void normalise(char *path)
{
    char *parts[20];
    size_t count = 0;
    const size_t len = strlen(path);
    const bool folder = path[len - 1] == '/' || path[len - 1] == '.';
    char copy[200], *next = copy;
    (void)snprintf(copy, sizeof copy, "%s", path);
    for (char *part = strsep(&next, "/"); part; part = strsep(&next, "/")) {
        if (strcmp(part, "..") == 0) {
            count -= count > 0;
        } else if (*part && strcmp(part, ".") != 0) {
            parts[count++] = part;
        }
    }
    char *out = path;
    for (size_t i = 0; i < count; i++) {
        out += sprintf(out, "/%s", parts[i]);
    }
    if (count == 0 || folder) {
        out += sprintf(out, "/");
    }
    *out = '\0';
}

/* Encodes what is not; "%XX", '&' and '=' stay. */
static void encode_query(struct s3e_buf *out, const char *query)
{
    for (; *query; query++) {
        if (strchr("%&=", *query)) {
            s3e_buf_add_byte(out, (uint8_t)*query);
        } else {
            s3e_uri_encode(
                out, (struct s3e_span){(const uint8_t *)query, 1}, false);
        }
    }
}

/* "GET /path?query HTTP/1.1": the path may hold spaces. */
static void read_first_line(struct one_case *c, char *line)
{
    char *end = strstr(line, " HTTP/1.1");
    char *target = strchr(line, ' ');
    CHECK(end && target && target < end);
    *end = '\0';
    *target++ = '\0';
    char *query = strchr(target, '?');
    if (query) {
        *query++ = '\0';
        encode_query(&c->query, query);
    }
    if (flag(c, "normalize")) {
        normalise(target);
    }
    s3e_uri_encode(&c->path, s3e_span_str(target), true);
    c->req.method = s3e_span_str(line);
}

/* "Name:value"; a line that begins with a space goes on with the one before,
 * and is folded into it. */
static void read_header(struct one_case *c, char *line)
{
    struct s3e_sigv4_header *last = &c->headers[c->req.num_headers];
    if (*line == ' ') {
        struct s3e_span *value = &last[-1].value;
        line[-1] = ' ';
        value->len = (size_t)(line + strlen(line) - (const char *)value->ptr);
        return;
    }
    char *colon = strchr(line, ':');
    CHECK(colon != NULL);
    *colon = '\0';
    last->name = s3e_span_str(line);
    last->value = s3e_span_str(colon + 1);
    c->req.num_headers++;
}

static void read_case(struct one_case *c, const char *folder)
{
    struct s3e_err err;
    uint8_t digest[S3E_SHA256_LEN];
    char *json = slurp(folder, "context.json");
    *c = (struct one_case){
        .folder = folder, .path = S3E_BUF(MAX), .query = S3E_BUF(MAX)};
    c->context = json_loads(json, 0, NULL);
    CHECK(c->context != NULL);
    free(json);
    c->text = slurp(folder, "request.txt");
    char *next = c->text;
    read_first_line(c, strsep(&next, "\n"));
    while (next && *next && *next != '\n') {
        read_header(c, strsep(&next, "\n"));
    }
    const struct s3e_span body =
        s3e_span_str(next && *next == '\n' ? next + 1 : "");
    CHECK(s3e_sha256(digest, body, &err) == S3E_OK);
    s3e_sha256_hex(c->payload, digest);
    c->req.path = s3e_buf_span(&c->path);
    c->req.query = s3e_buf_span(&c->query);
    c->req.headers = c->headers;
    c->req.payload = s3e_span_str(c->payload);

    json_t *keys = json_object_get(c->context, "credentials");
    const struct s3e_span time = field(c->context, "timestamp");
    c->who.access_key_id = field(keys, "access_key_id");
    c->who.secret_access_key = field(keys, "secret_access_key");
    c->who.region = field(c->context, "region");
    c->who.service = field(c->context, "service");
    if (!flag(c, "omit_session_token")) {
        c->who.session_token = field(keys, "token");
    }
    CHECK(s3e_time_parse_iso(&c->who.unix_s, (const char *)time.ptr, time.len));
}

static void free_case(struct one_case *c)
{
    json_decref(c->context);
    free(c->text);
    s3e_buf_free(&c->path);
    s3e_buf_free(&c->query);
}

/* Canonical request, string to sign and signature of `req` against the files
 * that begin with `form`. */
static void check_stages(const struct one_case *c,
    const struct s3e_sigv4_request *req, const char *form)
{
    struct s3e_err err;
    char name[100], signature[S3E_SHA256_HEX];
    struct s3e_buf canonical = S3E_BUF(MAX), names = S3E_BUF(MAX);
    struct s3e_buf to_sign = S3E_BUF(MAX);
    (void)snprintf(name, sizeof name, "%s-canonical-request.txt", form);
    char *want = slurp(c->folder, name);
    CHECK_RC(s3e_sigv4_canonical(&canonical, &names, req, &err), S3E_OK, &err);
    CHECK_SPAN(s3e_buf_span(&canonical), want);
    free(want);

    (void)snprintf(name, sizeof name, "%s-string-to-sign.txt", form);
    want = slurp(c->folder, name);
    CHECK_RC(
        s3e_sigv4_to_sign(&to_sign, &c->who, s3e_buf_span(&canonical), &err),
        S3E_OK, &err);
    CHECK_SPAN(s3e_buf_span(&to_sign), want);
    free(want);

    (void)snprintf(name, sizeof name, "%s-signature.txt", form);
    want = slurp(c->folder, name);
    CHECK_RC(
        s3e_sigv4_signature(signature, &c->who, s3e_buf_span(&to_sign), &err),
        S3E_OK, &err);
    CHECK_STR(signature, want);
    free(want);
    s3e_buf_free(&canonical);
    s3e_buf_free(&names);
    s3e_buf_free(&to_sign);
}

/* The signed request holds `line`; they write "Name:value". */
static void check_line(const char *signed_request, const char *line)
{
    char want[4000];
    const char *colon = strstr(line, ": ");
    CHECK(colon != NULL);
    (void)snprintf(
        want, sizeof want, "\n%.*s:%s\n", (int)(colon - line), line, colon + 2);
    if (!strstr(signed_request, want)) {
        CHECK_STR(signed_request, want);
    }
}

static void check_header_form(struct one_case *c)
{
    struct s3e_err err;
    char time[S3E_TIME_LEN + 1];
    struct s3e_buf lines = S3E_BUF(MAX);
    char *want = slurp(c->folder, "header-signed-request.txt");
    struct s3e_sigv4_request all = c->req;
    if (flag(c, "sign_body")) {
        c->headers[all.num_headers++] = (struct s3e_sigv4_header){
            S3E_LIT("x-amz-content-sha256"), c->req.payload};
    }
    const struct s3e_sigv4_request bare = all;
    s3e_time_format(time, c->who.unix_s, 1);
    c->headers[all.num_headers++] =
        (struct s3e_sigv4_header){S3E_LIT("X-Amz-Date"), s3e_span_str(time)};
    if (c->who.session_token.len) {
        c->headers[all.num_headers++] = (struct s3e_sigv4_header){
            S3E_LIT("X-Amz-Security-Token"), c->who.session_token};
    }
    check_stages(c, &all, "header");

    CHECK_RC(s3e_sigv4_sign(&lines, &c->who, &bare, &err), S3E_OK, &err);
    for (size_t at = 0; at < lines.len;) {
        const char *line = (const char *)lines.ptr + at;
        check_line(want, line);
        at += strlen(line) + 1;
    }
    s3e_buf_free(&lines);
    free(want);
}

/* Cuts `from` up to the next '&' out of `text`. */
static void cut_param(char *text, const char *name)
{
    char *from = strstr(text, name);
    char *to = from ? strchr(from, '&') : NULL;
    if (to) {
        memmove(from, to + 1, strlen(to + 1) + 1);
    }
}

static void check_query_form(struct one_case *c)
{
    struct s3e_err err;
    struct s3e_buf query = S3E_BUF(MAX);
    char *want = slurp(c->folder, "query-signed-request.txt");
    const unsigned expires = (unsigned)json_integer_value(
        json_object_get(c->context, "expiration_in_seconds"));
    CHECK_RC(s3e_sigv4_presign(&query, &c->who, &c->req, expires, &err), S3E_OK,
        &err);
    CHECK(s3e_span_starts(s3e_buf_span(&query), c->req.query));

    /* Ours is encoded, theirs is as the request came: both from here on. */
    char *from = strstr(want, "X-Amz-Algorithm=");
    CHECK(from && strstr(from, " HTTP/1.1"));
    *strstr(from, " HTTP/1.1") = '\0';
    if (flag(c, "omit_session_token")) {
        cut_param(from, "X-Amz-Security-Token=");
    }
    const size_t skip = c->req.query.len ? c->req.query.len + 1 : 0;
    CHECK_SPAN(s3e_span_from(s3e_buf_span(&query), skip), from);

    struct s3e_sigv4_request all = c->req;
    const char *signature = strstr(from, "&X-Amz-Signature=");
    CHECK(signature != NULL);
    all.query = (struct s3e_span){query.ptr, query.len - strlen(signature)};
    check_stages(c, &all, "query");
    s3e_buf_free(&query);
    free(want);
}

int main(void)
{
    char root[500], folder[800];
    int count = 0;
    const char *shared = getenv("S3E_SHARED");
    (void)snprintf(root, sizeof root, "%s/data/sigv4-suite/v4",
        shared ? shared : "../shared");
    DIR *dir = opendir(root);
    if (!dir) {
        printf("SKIP the signing test suite is not at %s\n", root);
        return SKIPPED;
    }
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        struct one_case c;
        if (e->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(folder, sizeof folder, "%s/%s", root, e->d_name);
        in_case(e->d_name);
        read_case(&c, folder);
        check_query_form(&c);
        check_header_form(&c);
        free_case(&c);
        count++;
    }
    (void)closedir(dir);
    in_case(NULL);
    CHECK(count == CASES);
    printf("%d signatures agree\n", 2 * count);
    return 0;
}
