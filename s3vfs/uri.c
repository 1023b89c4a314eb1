#include "s3vfs/uri.h"

#include "base/mem.h"

#include <unistd.h>

enum {
    BUCKET_MIN = 3,
    BUCKET_MAX = 63,
    PATH_ROOM = 4096 /* bytes of a folder's path, with its NUL */
};

static bool is_alnum(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool ends_with(struct s3e_span s, struct s3e_span tail)
{
    return s.len >= tail.len &&
           s3e_span_eq(s3e_span_from(s, s.len - tail.len), tail);
}

/* Four runs of digits with dots between them. */
static bool looks_like_ipv4(struct s3e_span name)
{
    int dots = 0;
    for (size_t i = 0; i < name.len; i++) {
        dots += name.ptr[i] == '.';
        if (name.ptr[i] != '.' && (name.ptr[i] < '0' || name.ptr[i] > '9')) {
            return false;
        }
    }
    return dots == 3;
}

/* What S3 has against `name`; NULL where it has nothing. */
static const char *bucket_fault(struct s3e_span name)
{
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t c = name.ptr[i];
        if (c == '/') {
            return "a / in it; write a prefix as s3://bucket/prefix";
        }
        if (!is_alnum(c) && c != '.' && c != '-') {
            return "only a-z 0-9 . and - are possible in S3";
        }
        if (c == '.' && i > 0 && name.ptr[i - 1] == '.') {
            return "two dots side by side";
        }
    }
    if (name.len < BUCKET_MIN || name.len > BUCKET_MAX) {
        return "S3's have 3 to 63 characters";
    }
    if (!is_alnum(name.ptr[0]) || !is_alnum(name.ptr[name.len - 1])) {
        return "begins or ends with . or -";
    }
    if (looks_like_ipv4(name)) {
        return "formed as an IP address";
    }
    if (ends_with(name, S3E_LIT("--x-s3"))) {
        return "directory buckets (S3 Express One Zone) are not supported; "
               "copy the objects to a general purpose bucket";
    }
    return NULL;
}

s3e_rc s3e_bucket_check(struct s3e_span name, struct s3e_err *err)
{
    const char *fault = bucket_fault(name);
    return fault ? s3e_fail(err, S3E_E_INPUT, "bucket '%.*s': %s",
                       S3E_SPAN_ARG(name), fault)
                 : S3E_OK;
}

/* ---- Targets ---- */

void s3e_target_deinit(struct s3e_target *target)
{
    s3e_free(target->bucket);
    s3e_free(target->prefix);
    s3e_free(target->glob);
    *target = (struct s3e_target){0};
}

static const char *const schemes[][S3E_SCHEME_WORDS] = {
#define SCHEME(name, kind, ...) [S3E_SCHEME_##name] = {__VA_ARGS__},
    S3E_STORE_KINDS(SCHEME)
#undef SCHEME
};

/* Length of the scheme `text` begins with, 0 where there is none. */
static size_t scheme_len(struct s3e_span text, enum s3e_scheme *scheme)
{
    for (int s = 0; s < S3E_SCHEMES; s++) {
        for (size_t i = 0; i < S3E_SCHEME_WORDS && schemes[s][i]; i++) {
            const struct s3e_span word = s3e_span_str(schemes[s][i]);
            if (s3e_span_starts(text, word)) {
                *scheme = (enum s3e_scheme)s;
                return word.len;
            }
        }
    }
    return 0;
}

bool s3e_uri_is(struct s3e_span text)
{
    enum s3e_scheme scheme;
    return scheme_len(text, &scheme) > 0;
}

/* Index of the first of the bytes in `set`, or s.len. */
static size_t find_any(struct s3e_span s, const char *set)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] && strchr(set, s.ptr[i])) {
            return i;
        }
    }
    return s.len;
}

/* Index behind the last '/' of the first `len` bytes, 0 where there is none. */
static size_t after_last_slash(struct s3e_span s, size_t len)
{
    while (len > 0 && s.ptr[len - 1] != '/') {
        len--;
    }
    return len;
}

static s3e_rc check_text(struct s3e_span text, struct s3e_err *err)
{
    if (text.len == 0) {
        return s3e_fail(err, S3E_E_INPUT,
            "an empty target; write a bucket, s3://bucket/prefix or "
            "file:folder");
    }
    if (text.len > S3E_TARGET_MAX) {
        return s3e_fail(err, S3E_E_INPUT,
            "a target of %zu bytes; at most %d are taken", text.len,
            S3E_TARGET_MAX);
    }
    if (memchr(text.ptr, '\0', text.len)) {
        return s3e_fail(
            err, S3E_E_INPUT, "target '%.*s': a NUL byte", S3E_SPAN_ARG(text));
    }
    return S3E_OK;
}

/* The path of `file:` as people write it: 'photos', '/data', '///data',
 * '//localhost/data'. */
static s3e_rc strip_authority(struct s3e_span *path, struct s3e_err *err)
{
    if (!s3e_span_starts(*path, S3E_LIT("//"))) {
        return S3E_OK;
    }
    const struct s3e_span rest = s3e_span_from(*path, 2);
    const size_t host_len = find_any(rest, "/");
    const struct s3e_span host = {rest.ptr, host_len};
    if (host.len && !s3e_span_eq(host, S3E_LIT("localhost"))) {
        return s3e_fail(err, S3E_E_INPUT,
            "file://%.*s: a host has no place here; write file:folder or "
            "file:///folder",
            S3E_SPAN_ARG(rest));
    }
    *path = s3e_span_from(rest, host_len);
    return S3E_OK;
}

/* Absolute, without empty and "." parts; ".." stays, since it is the file
 * system that knows what it means behind a link. */
static s3e_rc absolute_folder(
    char **out, struct s3e_span path, struct s3e_err *err)
{
    s3e_rc rc = S3E_OK;
    char cwd[PATH_ROOM];
    struct s3e_buf buf = S3E_BUF(PATH_ROOM - 1);
    if (path.len == 0 || path.ptr[0] != '/') {
        if (!getcwd(cwd, sizeof cwd)) {
            return s3e_fail(err, S3E_E_INPUT,
                "file:%.*s: the current folder is not known; write an "
                "absolute path",
                S3E_SPAN_ARG(path));
        }
        s3e_buf_add_str(&buf, strcmp(cwd, "/") == 0 ? "" : cwd);
    }
    while (path.len) {
        const size_t len = find_any(path, "/");
        const struct s3e_span part = {path.ptr, len};
        if (len && !s3e_span_eq(part, S3E_LIT("."))) {
            s3e_buf_add_byte(&buf, '/');
            s3e_buf_add(&buf, part);
        }
        path = s3e_span_from(path, len < path.len ? len + 1 : len);
    }
    if (buf.len == 0) {
        s3e_buf_add_byte(&buf, '/');
    }
    rc = s3e_buf_check(&buf, "path of a folder", err);
    if (rc == S3E_OK) {
        *out = s3e_buf_take(&buf);
        rc = *out ? S3E_OK : s3e_fail(err, S3E_E_NOMEM, "no memory for a path");
    }
    s3e_buf_free(&buf);
    return rc;
}

static s3e_rc copy(char **out, struct s3e_span text, struct s3e_err *err)
{
    *out = s3e_strdup(text);
    return *out ? S3E_OK : s3e_fail(err, S3E_E_NOMEM, "no memory for a target");
}

/* `pattern` is what follows the bucket: a glob where it has a glob character,
 * else a plain prefix. */
static s3e_rc set_pattern(
    struct s3e_target *out, struct s3e_span pattern, struct s3e_err *err)
{
    const size_t literal = find_any(pattern, "*?[{");
    s3e_rc rc = s3e_glob_check(pattern, err);
    if (rc == S3E_OK) {
        rc = copy(&out->prefix, (struct s3e_span){pattern.ptr, literal}, err);
    }
    if (rc == S3E_OK && literal < pattern.len) {
        rc = copy(&out->glob, pattern, err);
    }
    return rc;
}

static s3e_rc parse_file(
    struct s3e_target *out, struct s3e_span path, struct s3e_err *err)
{
    s3e_rc rc = strip_authority(&path, err);
    if (rc) {
        return rc;
    }
    if (path.len == 0) {
        return s3e_fail(err, S3E_E_INPUT,
            "file: without a folder; file:. is the current one");
    }
    const size_t literal = find_any(path, "*?[{");
    const size_t cut =
        literal < path.len ? after_last_slash(path, literal) : path.len;
    rc = absolute_folder(&out->bucket, (struct s3e_span){path.ptr, cut}, err);
    return rc ? rc : set_pattern(out, s3e_span_from(path, cut), err);
}

static s3e_rc parse_bucket(
    struct s3e_target *out, struct s3e_span name, struct s3e_err *err)
{
    const s3e_rc rc = s3e_bucket_check(name, err);
    return rc ? rc : copy(&out->bucket, name, err);
}

static s3e_rc unknown_scheme(struct s3e_span text, struct s3e_err *err)
{
    return s3e_fail(err, S3E_E_INPUT,
        "'%.*s': not a scheme we read; write s3://bucket/prefix or "
        "file:folder",
        S3E_SPAN_ARG(text));
}

/* Whether a scheme of any sort stands before "://". */
static bool has_scheme(struct s3e_span text)
{
    return s3e_span_starts(
        s3e_span_from(text, find_any(text, ":")), S3E_LIT("://"));
}

s3e_rc s3e_target_parse(
    struct s3e_target *out, struct s3e_span text, struct s3e_err *err)
{
    *out = (struct s3e_target){0};
    s3e_rc rc = check_text(text, err);
    if (rc) {
        return rc;
    }
    const struct s3e_span rest =
        s3e_span_from(text, scheme_len(text, &out->scheme));
    if (out->scheme == S3E_SCHEME_FILE) {
        rc = parse_file(out, rest, err);
    } else if (rest.len < text.len) {
        const size_t len = find_any(rest, "/");
        rc = parse_bucket(out, (struct s3e_span){rest.ptr, len}, err);
        if (rc == S3E_OK) {
            rc = set_pattern(
                out, s3e_span_from(rest, len < rest.len ? len + 1 : len), err);
        }
    } else if (has_scheme(text)) {
        rc = unknown_scheme(text, err);
    } else {
        rc = parse_bucket(out, text, err);
        if (rc == S3E_OK) {
            rc = set_pattern(out, S3E_LIT(""), err);
        }
    }
    if (rc) {
        s3e_target_deinit(out);
    }
    return rc;
}

static s3e_rc uri_parse_file(struct s3e_target *target, struct s3e_span *key,
    struct s3e_span path, struct s3e_err *err)
{
    s3e_rc rc = strip_authority(&path, err);
    if (rc) {
        return rc;
    }
    const size_t cut = after_last_slash(path, path.len);
    *key = s3e_span_from(path, cut);
    return absolute_folder(
        &target->bucket, (struct s3e_span){path.ptr, cut}, err);
}

static s3e_rc uri_parse_s3(struct s3e_target *target, struct s3e_span *key,
    struct s3e_span rest, struct s3e_err *err)
{
    const size_t len = find_any(rest, "/");
    *key = s3e_span_from(rest, len < rest.len ? len + 1 : len);
    return parse_bucket(target, (struct s3e_span){rest.ptr, len}, err);
}

s3e_rc s3e_uri_parse(struct s3e_target *target, struct s3e_span *key,
    struct s3e_span text, struct s3e_err *err)
{
    *target = (struct s3e_target){0};
    s3e_rc rc = check_text(text, err);
    if (rc) {
        return rc;
    }
    const size_t skip = scheme_len(text, &target->scheme);
    const struct s3e_span rest = s3e_span_from(text, skip);
    if (skip == 0) {
        return unknown_scheme(text, err);
    }
    rc = target->scheme == S3E_SCHEME_FILE
             ? uri_parse_file(target, key, rest, err)
             : uri_parse_s3(target, key, rest, err);
    if (rc == S3E_OK && key->len == 0) {
        rc = s3e_fail(err, S3E_E_INPUT,
            "'%.*s' names no object: nothing follows the last slash",
            S3E_SPAN_ARG(text));
    }
    if (rc == S3E_OK) {
        rc = copy(&target->prefix, S3E_LIT(""), err);
    }
    if (rc) {
        s3e_target_deinit(target);
    }
    return rc;
}

/* ---- Keys ---- */

void s3e_uri_encode(struct s3e_buf *out, struct s3e_span key, bool keep_slash)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < key.len; i++) {
        const uint8_t c = key.ptr[i];
        if (is_alnum(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
            c == '_' || c == '~' || (c == '/' && keep_slash)) {
            s3e_buf_add_byte(out, c);
            continue;
        }
        const uint8_t code[] = {
            '%', (uint8_t)hex[c >> 4], (uint8_t)hex[c & 15]};
        s3e_buf_add(out, (struct s3e_span){code, sizeof code});
    }
}

void s3e_key_split(
    struct s3e_span key, struct s3e_span *folder, struct s3e_span *name)
{
    if (key.len && key.ptr[key.len - 1] == '/') {
        key.len--;
    }
    const size_t cut = after_last_slash(key, key.len);
    *name = s3e_span_from(key, cut);
    *folder = (struct s3e_span){0};
    if (cut) {
        const struct s3e_span path = {key.ptr, cut - 1};
        *folder = s3e_span_from(path, after_last_slash(path, path.len));
    }
}
