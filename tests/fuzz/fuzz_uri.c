/* A target and, behind a newline, a key: what the one matches begins with its
 * literal prefix, and what it encodes decodes to itself. */
#include "s3vfs/uri.h"
#include "tests/harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int hex(uint8_t c)
{
    return c <= '9' ? c - '0' : c - 'A' + 10;
}

static void check_encoding(struct s3e_span key, bool keep_slash)
{
    struct s3e_buf buf = S3E_BUF(3 * key.len + 1);
    s3e_uri_encode(&buf, key, keep_slash);
    CHECK(buf.rc == S3E_OK);
    size_t at = 0;
    for (size_t i = 0; i < buf.len; i++) {
        uint8_t c = buf.ptr[i];
        if (c == '%') {
            c = (uint8_t)(16 * hex(buf.ptr[i + 1]) + hex(buf.ptr[i + 2]));
            i += 2;
        }
        CHECK(at < key.len && key.ptr[at] == c);
        at++;
    }
    CHECK(at == key.len);
    s3e_buf_free(&buf);
}

static void check_target(const struct s3e_target *t, struct s3e_span key)
{
    const struct s3e_span prefix = s3e_span_str(t->prefix);
    CHECK(t->bucket && t->prefix);
    CHECK(t->scheme == S3E_SCHEME_S3 || t->bucket[0] == '/');
    if (!t->glob) {
        return;
    }
    const struct s3e_span glob = s3e_span_str(t->glob);
    CHECK(s3e_span_starts(glob, prefix) && glob.len > prefix.len);
    if (s3e_glob_match(glob, key)) {
        CHECK(s3e_span_starts(key, prefix));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct s3e_err err;
    struct s3e_target target;
    const uint8_t *line = len ? memchr(data, '\n', len) : NULL;
    const size_t cut = line ? (size_t)(line - data) : len;
    const struct s3e_span text = {data, cut};
    struct s3e_span key = {data + cut, len - cut};
    if (key.len) {
        key = s3e_span_from(key, 1);
    }
    if (key.len > 1024) {
        key.len = 1024;
    }
    if (s3e_target_parse(&target, text, &err) == S3E_OK) {
        check_target(&target, key);
    } else {
        CHECK(err.msg[0] && !target.bucket);
    }
    s3e_target_deinit(&target);

    struct s3e_span found, folder, name;
    if (s3e_uri_parse(&target, &found, text, &err) == S3E_OK) {
        CHECK(found.len && found.ptr + found.len == text.ptr + text.len);
    }
    s3e_target_deinit(&target);
    s3e_key_split(key, &folder, &name);
    CHECK(folder.len + name.len <= key.len);
    CHECK(!memchr(name.ptr ? name.ptr : data, '/', name.len));
    check_encoding(key, true);
    check_encoding(key, false);
    return 0;
}
