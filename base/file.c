#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static s3e_rc open_error(const char *path, struct s3e_err *err)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return s3e_fail(err, S3E_E_NOTFOUND, "%s: no such file", path);
    case EACCES:
    case EPERM:
        return s3e_fail(err, S3E_E_DENIED, "%s: permission denied", path);
    case ENOMEM:
        return s3e_fail(err, S3E_E_NOMEM, "%s: no memory", path);
    default:
        return s3e_fail(err, S3E_E_IO, "%s: %s", path, strerror(errno));
    }
}

/* Reads until the end of the file: procfs files have no size, and a file may
 * grow under us. What fits goes straight into the blob, so that a file of keys
 * leaves no copy on the stack. */
static s3e_rc read_all(struct s3e_blob **blob, int fd, const char *path,
    size_t cap, struct s3e_err *err)
{
    uint8_t piece[16384];
    for (;;) {
        struct s3e_blob *b = *blob;
        const bool direct = b->room > b->len;
        uint8_t *to = direct ? b->data + b->len : piece;
        const size_t room = direct ? b->room - b->len : sizeof piece;
        const ssize_t n = read(fd, to, room);
        if (n == 0) {
            return S3E_OK;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return s3e_fail(err, S3E_E_IO, "%s: %s", path, strerror(errno));
        }
        if (direct) {
            b->len += (size_t)n;
            continue;
        }
        const s3e_rc rc =
            s3e_blob_append(blob, (struct s3e_span){piece, (size_t)n}, cap);
        if (rc == S3E_E_LIMIT) {
            return s3e_fail(err, rc, "%s: longer than %zu bytes", path, cap);
        }
        if (rc) {
            return s3e_fail(err, rc, "%s: no memory", path);
        }
    }
}

s3e_rc s3e_file_read(
    struct s3e_blob **out, const char *path, size_t cap, struct s3e_err *err)
{
    s3e_rc rc = S3E_OK;
    struct s3e_blob *blob = NULL;
    struct stat st;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return open_error(path, err);
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        rc = s3e_fail(err, S3E_E_IO, "%s: not a regular file", path);
        goto done;
    }
    if ((uint64_t)st.st_size > cap) {
        rc = s3e_fail(err, S3E_E_LIMIT, "%s: %lld bytes, more than %zu", path,
            (long long)st.st_size, cap);
        goto done;
    }
    blob = s3e_blob_new((size_t)st.st_size);
    if (!blob) {
        rc = s3e_fail(err, S3E_E_NOMEM, "%s: no memory for %lld bytes", path,
            (long long)st.st_size);
        goto done;
    }
    rc = read_all(&blob, fd, path, cap, err);
done:
    (void)close(fd);
    if (rc) {
        s3e_blob_unref(blob);
    } else {
        *out = blob;
    }
    return rc;
}
