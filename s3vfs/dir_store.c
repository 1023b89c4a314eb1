/* dir_store.c - a local folder as a store: the rows that S3 would give of the
 * same files. Every operation ends before its start returns. */
#include "base/clock.h"
#include "base/mem.h"
#include "s3vfs/page.h"
#include "s3vfs/store_kinds.h"
#include "s3vfs/uri.h"
#include "s3vfs/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct dir_store {
    struct s3e_store base;
    char *folder; /* absolute, no last slash but for "/" */
};

static const struct dir_store *of(const struct s3e_store *store)
{
    return (const struct dir_store *)store;
}

static s3e_rc open_store(struct s3e_store **out,
    const struct s3e_target *target, struct s3e_account *account,
    struct s3e_err *err)
{
    struct stat st;
    struct dir_store *dir = NULL;
    (void)account;
    if (stat(target->bucket, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return s3e_fail(
            err, S3E_E_NOTFOUND, "file:%s: no such folder", target->bucket);
    }
    if (S3E_NEW(dir)) {
        dir->folder = s3e_strdup(s3e_span_str(target->bucket));
    }
    if (!dir || !dir->folder) {
        s3e_free(dir);
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a folder");
    }
    *out = &dir->base;
    return S3E_OK;
}

static void close_store(struct s3e_store *store)
{
    struct dir_store *dir = (struct dir_store *)store;
    s3e_free(dir->folder);
    s3e_free(dir);
}

static void append_path(
    struct s3e_buf *out, const struct dir_store *dir, struct s3e_span key)
{
    s3e_buf_add_str(out, dir->folder);
    if (strcmp(dir->folder, "/") != 0) {
        s3e_buf_add_byte(out, '/');
    }
    s3e_buf_add(out, key);
}

static void append_uri(
    const struct s3e_store *store, struct s3e_buf *out, struct s3e_span key)
{
    s3e_buf_add_str(out, "file://");
    append_path(out, of(store), key);
}

/* ---- one file ---- */

/* A key that names a file under the folder as a listing would: no empty part,
 * "." or "..". */
static s3e_rc check_key(
    const struct dir_store *dir, struct s3e_span key, struct s3e_err *err)
{
    struct s3e_span rest = key;
    bool odd = key.len == 0, out = false;
    while (rest.len) {
        const uint8_t *slash = memchr(rest.ptr, '/', rest.len);
        const size_t len = slash ? (size_t)(slash - rest.ptr) : rest.len;
        const struct s3e_span part = {rest.ptr, len};
        out |= s3e_span_eq(part, S3E_LIT("..")) ||
               (len && memchr(part.ptr, 0, len));
        odd |= len == 0 || s3e_span_eq(part, S3E_LIT("."));
        rest = s3e_span_from(rest, slash ? len + 1 : len);
    }
    if (out || s3e_span_starts(key, S3E_LIT("/"))) {
        return s3e_fail(err, S3E_E_INPUT,
            "file:%s: key %.*s would leave the folder", dir->folder,
            S3E_SPAN_ARG(key));
    }
    return odd ? s3e_fail(err, S3E_E_NOTFOUND, "file:%s/%.*s: no such file",
                     dir->folder, S3E_SPAN_ARG(key))
               : S3E_OK;
}

/* A file while it is read. */
struct source {
    char *path;
    int fd;
    struct stat st;
    char identity[S3E_IDENTITY_MAX];
};

static s3e_rc fail_file(const struct source *f, struct s3e_err *err)
{
    const int no = errno;
    const s3e_rc rc = no == ENOENT || no == ENOTDIR || no == ENAMETOOLONG
                          ? S3E_E_NOTFOUND
                      : no == EACCES || no == EPERM ? S3E_E_DENIED
                                                    : S3E_E_IO;
    return s3e_fail(err, rc, "file:%s: %s", f->path,
        rc == S3E_E_NOTFOUND ? "no such file" : strerror(no));
}

/* Opens the file that `op` names and makes sure it is the one that was listed.
 */
static s3e_rc open_source(struct source *f, const struct dir_store *dir,
    const struct s3e_op *op, struct s3e_err *err)
{
    struct s3e_buf path = S3E_BUF(65536);
    s3e_rc rc = check_key(dir, op->in.key, err);
    if (rc) {
        return rc;
    }
    append_path(&path, dir, op->in.key);
    f->path = s3e_buf_take(&path);
    rc = s3e_buf_check(&path, "path", err);
    if (rc) {
        s3e_buf_free(&path);
        return rc;
    }
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0 || fstat(f->fd, &f->st) != 0) {
        return fail_file(f, err);
    }
    if (!S_ISREG(f->st.st_mode)) {
        return s3e_fail(err, S3E_E_NOTFOUND, "file:%s: not a file", f->path);
    }
    s3e_file_identity(f->identity, &f->st);
    if (op->in.etag.len &&
        !s3e_span_eq(op->in.etag, s3e_span_str(f->identity))) {
        return s3e_fail(err, S3E_E_CHANGED,
            "file:%s: the file changed since it was listed", f->path);
    }
    return S3E_OK;
}

static void close_source(struct source *f)
{
    if (f->fd >= 0) {
        (void)close(f->fd);
    }
    s3e_free(f->path);
}

static s3e_rc head(const struct dir_store *dir, struct s3e_op *op)
{
    struct source f = {.fd = -1};
    struct s3e_page_builder page = s3e_page_builder_zero();
    s3e_rc rc = open_source(&f, dir, op, &op->out.err);
    if (!rc) {
        s3e_page_add_object(&page, &(struct s3e_object){.key = op->in.key,
                                       .etag = s3e_span_str(f.identity),
                                       .storage_class = S3E_LIT("STANDARD"),
                                       .size = f.st.st_size,
                                       .last_modified = f.st.st_mtim.tv_sec});
        rc = s3e_page_finish(&op->out.page, &page, &op->out.err);
    }
    s3e_page_builder_deinit(&page);
    close_source(&f);
    return rc;
}

/* Reads `len` bytes from `offset`; a file that became shorter has changed. */
static s3e_rc read_bytes(const struct source *f, struct s3e_blob *blob,
    uint64_t offset, size_t len, struct s3e_err *err)
{
    while (blob->len < len) {
        const ssize_t n = pread(f->fd, blob->data + blob->len, len - blob->len,
            (off_t)(offset + blob->len));
        if (n == 0) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            return fail_file(f, err);
        }
        blob->len += n > 0 ? (size_t)n : 0;
    }
    char identity[S3E_IDENTITY_MAX];
    struct stat st;
    if (fstat(f->fd, &st) != 0) {
        return fail_file(f, err);
    }
    s3e_file_identity(identity, &st);
    if (blob->len < len || strcmp(identity, f->identity) != 0) {
        return s3e_fail(err, S3E_E_CHANGED,
            "file:%s: the file changed while it was read", f->path);
    }
    return S3E_OK;
}

static s3e_rc get_opened(
    const struct source *f, struct s3e_op *op, struct s3e_err *err)
{
    const uint64_t size = (uint64_t)f->st.st_size;
    const uint64_t offset = op->in.length ? op->in.offset : 0;
    if (op->in.length && offset >= size) {
        return s3e_fail(err, S3E_E_RANGE,
            "file:%s: offset %llu is behind its %llu bytes", f->path,
            (unsigned long long)offset, (unsigned long long)size);
    }
    const uint64_t left = size - offset;
    const uint64_t len =
        op->in.length && op->in.length < left ? op->in.length : left;
    if ((op->in.max_bytes && len > op->in.max_bytes) || len > SIZE_MAX / 2) {
        return s3e_fail(err, S3E_E_LIMIT,
            "file:%s: %llu bytes, more than the %llu allowed", f->path,
            (unsigned long long)len, (unsigned long long)op->in.max_bytes);
    }
    struct s3e_blob *blob = s3e_blob_new((size_t)len);
    if (!blob) {
        return s3e_fail(err, S3E_E_NOMEM, "file:%s: no memory for %llu bytes",
            f->path, (unsigned long long)len);
    }
    const s3e_rc rc = read_bytes(f, blob, offset, (size_t)len, err);
    if (rc) {
        s3e_blob_unref(blob);
    } else {
        op->out.blob = blob;
    }
    return rc;
}

static s3e_rc get(const struct dir_store *dir, struct s3e_op *op)
{
    struct source f = {.fd = -1};
    s3e_rc rc = open_source(&f, dir, op, &op->out.err);
    if (!rc) {
        rc = get_opened(&f, op, &op->out.err);
    }
    close_source(&f);
    return rc;
}

/* ---- listing ---- */

/* Each page reads its folders anew, so those after the first are large. */
static s3e_rc list(const struct dir_store *dir, struct s3e_op *op)
{
    struct s3e_page_builder page = s3e_page_builder_zero();
    const struct s3e_walk_args args = {.prefix = op->in.prefix,
        .after = op->in.token.len ? op->in.token : op->in.start_after,
        .folders = op->in.delimiter.len > 0,
        .rows = op->in.max_keys    ? op->in.max_keys
                : op->in.token.len ? S3E_PAGE_ROWS_MAX
                                   : S3E_PAGE_KEYS_MAX};
    s3e_rc rc = s3e_walk(&page, dir->folder, &args, &op->out.err);
    if (!rc) {
        rc = s3e_page_finish(&op->out.page, &page, &op->out.err);
    }
    s3e_page_builder_deinit(&page);
    return rc;
}

static s3e_rc run(const struct dir_store *dir, struct s3e_op *op)
{
    switch (op->in.kind) {
    case S3E_OP_LIST:
        return list(dir, op);
    case S3E_OP_HEAD:
        return head(dir, op);
    case S3E_OP_GET:
        return get(dir, op);
    case S3E_OP_BUCKETS:
        break;
    }
    return s3e_fail(&op->out.err, S3E_E_INPUT, "file: a folder has no buckets");
}

static void start(struct s3e_store *store, struct s3e_op *op)
{
    const int64_t began = s3e_clock_us();
    const s3e_rc rc = run(of(store), op);
    op->out.total_us = s3e_clock_us() - began;
    s3e_op_end(store, op, rc);
}

static void cancel(struct s3e_store *store, struct s3e_op *op)
{
    (void)store;
    (void)op;
}

const struct s3e_store_kind s3e_dir_store_kind = {
    .scheme = "file",
    .remote = false,
    .open = open_store,
    .close = close_store,
    .start = start,
    .cancel = cancel,
    .uri = append_uri,
};
