#include "s3vfs/walk.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_ROOM = (S3E_WALK_DEPTH_MAX + 2) * 256 };

/* One folder on the way down. */
struct level {
    const struct level *up;
    dev_t dev;
    ino_t ino;
    int fd;
    unsigned depth;
    struct s3e_span prefix, after; /* what is left of them below here */
    char *done; /* entries up to this one are done with; owned, may be NULL */
};

struct walk {
    struct s3e_page_builder *page;
    const char *folder;
    bool folders;
    unsigned left; /* rows */
    bool full;
    struct s3e_buf path; /* of the level below `folder`, with its slash */
    struct s3e_buf last; /* the last row's key */
    struct s3e_err *err;
};

/* Entries of one folder, the `room` smallest after a point: a heap with the
 * greatest on top while they are gathered, then sorted. */
struct entries {
    char **names; /* folders with a slash behind */
    size_t num, room;
    bool dropped; /* some did not fit */
};

void s3e_file_identity(char out[S3E_IDENTITY_MAX], const struct stat *st)
{
    const uint64_t ns = (uint64_t)st->st_mtim.tv_sec * 1000000000 +
                        (uint64_t)st->st_mtim.tv_nsec;
    (void)snprintf(out, S3E_IDENTITY_MAX, "%" PRIx64 "-%" PRIx64, ns,
        (uint64_t)st->st_size);
}

static void entries_free(struct entries *e)
{
    for (size_t i = 0; i < e->num; i++) {
        s3e_free(e->names[i]);
    }
    s3e_free(e->names);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sift_down(char **heap, size_t num, size_t at)
{
    for (;;) {
        size_t top = at;
        for (size_t kid = 2 * at + 1; kid <= 2 * at + 2 && kid < num; kid++) {
            top = compare(&heap[kid], &heap[top]) > 0 ? kid : top;
        }
        if (top == at) {
            return;
        }
        char *swap = heap[at];
        heap[at] = heap[top];
        heap[top] = swap;
        at = top;
    }
}

/* Keeps `name` if it is among the smallest. */
static s3e_rc keep(struct entries *e, const char *name)
{
    if (e->num == e->room) {
        e->dropped = true;
        if (strcmp(name, e->names[0]) > 0) {
            return S3E_OK;
        }
    }
    char *copy = s3e_strdup(s3e_span_str(name));
    if (!copy) {
        return S3E_E_NOMEM;
    }
    if (e->num < e->room) {
        e->names[e->num++] = copy;
        for (size_t i = e->num / 2; e->num == e->room && i-- > 0;) {
            sift_down(e->names, e->num, i);
        }
        return S3E_OK;
    }
    s3e_free(e->names[0]);
    e->names[0] = copy;
    sift_down(e->names, e->num, 0);
    return S3E_OK;
}

static bool is_folder(const char *name)
{
    const size_t len = strlen(name);
    return len && name[len - 1] == '/';
}

/* Whether entry `name` is walked into. */
static bool descends(
    const struct walk *w, const struct level *at, const char *name)
{
    return is_folder(name) &&
           (!w->folders || s3e_span_starts(at->prefix, s3e_span_str(name)));
}

/* Whether rows of entry `name` can lie within `prefix` and behind `after`. */
static bool matters(
    const struct walk *w, const struct level *at, const char *name)
{
    const struct s3e_span entry = s3e_span_str(name);
    const bool down = descends(w, at, name);
    const bool inside = s3e_span_starts(entry, at->prefix) ||
                        (down && s3e_span_starts(at->prefix, entry));
    const bool behind = s3e_span_cmp(entry, at->after) > 0 ||
                        (down && s3e_span_starts(at->after, entry));
    return inside && behind && s3e_span_cmp(entry, s3e_span_str(at->done)) > 0;
}

/* 'd', 'f', or 0 for what is neither. */
static char kind_of(int fd, const struct dirent *d)
{
    struct stat st;
    if (d->d_type == DT_REG) {
        return 'f';
    }
    if (d->d_type == DT_DIR) {
        return 'd';
    }
    if ((d->d_type != DT_LNK && d->d_type != DT_UNKNOWN) ||
        fstatat(fd, d->d_name, &st, 0) != 0) {
        return 0;
    }
    return S_ISREG(st.st_mode) ? 'f' : S_ISDIR(st.st_mode) ? 'd' : 0;
}

static s3e_rc fail_path(struct walk *w, const char *what)
{
    const int no = errno;
    const s3e_rc rc = no == ENOENT || no == ENOTDIR ? S3E_E_NOTFOUND
                      : no == EACCES || no == EPERM ? S3E_E_DENIED
                      : no == ENOMEM                ? S3E_E_NOMEM
                                                    : S3E_E_IO;
    return s3e_fail(w->err, rc, "cannot %s %s/%.*s: %s", what, w->folder,
        S3E_SPAN_ARG(s3e_buf_span(&w->path)), strerror(no));
}

static s3e_rc no_memory(struct walk *w)
{
    return s3e_fail(w->err, S3E_E_NOMEM, "no memory to list %s/%.*s", w->folder,
        S3E_SPAN_ARG(s3e_buf_span(&w->path)));
}

static s3e_rc take_entry(struct walk *w, struct entries *e,
    const struct level *at, const struct dirent *d)
{
    char name[sizeof d->d_name + 1];
    if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) {
        return S3E_OK;
    }
    const char kind = kind_of(at->fd, d);
    (void)snprintf(
        name, sizeof name, "%s%s", d->d_name, kind == 'd' ? "/" : "");
    return kind && matters(w, at, name) ? keep(e, name) : S3E_OK;
}

/* Reads the folder once, from its first entry. */
static s3e_rc gather(struct walk *w, struct entries *e, const struct level *at)
{
    s3e_rc rc = S3E_OK;
    DIR *dir = NULL;
    const int fd = openat(at->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || !(dir = fdopendir(fd))) {
        rc = fail_path(w, "read");
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    errno = 0;
    for (struct dirent *d = readdir(dir); d && !rc; d = readdir(dir)) {
        rc = take_entry(w, e, at, d) ? no_memory(w) : S3E_OK;
        errno = 0;
    }
    if (!rc && errno) {
        rc = fail_path(w, "read");
    }
    (void)closedir(dir);
    if (e->num) {
        qsort(e->names, e->num, sizeof *e->names, compare);
    }
    return rc;
}

/* ---- rows ---- */

/* Notes that another row would come; true where there is no room for it. */
static bool page_is_full(struct walk *w)
{
    w->full = w->left == 0;
    return w->full;
}

static s3e_rc add_row(struct walk *w, const char *name, const struct stat *st)
{
    char identity[S3E_IDENTITY_MAX];
    s3e_buf_clear(&w->last);
    s3e_buf_add(&w->last, s3e_buf_span(&w->path));
    s3e_buf_add_str(&w->last, name);
    const s3e_rc rc = s3e_buf_check(&w->last, "path", w->err);
    if (rc) {
        return rc;
    }
    if (st) {
        s3e_file_identity(identity, st);
        s3e_page_add_object(
            w->page, &(struct s3e_object){.key = s3e_buf_span(&w->last),
                         .etag = s3e_span_str(identity),
                         .storage_class = S3E_LIT("STANDARD"),
                         .size = st->st_size,
                         .last_modified = st->st_mtim.tv_sec});
    } else {
        s3e_page_add_folder(w->page, s3e_buf_span(&w->last));
    }
    w->left--;
    return S3E_OK;
}

/* A file that is gone since its folder was read is no row. */
static s3e_rc visit_file(
    struct walk *w, const struct level *at, const char *name)
{
    struct stat st;
    if (page_is_full(w)) {
        return S3E_OK;
    }
    if (fstatat(at->fd, name, &st, 0) != 0) {
        return errno == ENOENT ? S3E_OK : fail_path(w, "look into");
    }
    return S_ISREG(st.st_mode) ? add_row(w, name, &st) : S3E_OK;
}

static struct s3e_span below(struct s3e_span s, struct s3e_span entry)
{
    return s3e_span_starts(s, entry) ? s3e_span_from(s, entry.len)
                                     : (struct s3e_span){0};
}

static s3e_rc walk_level(struct walk *w, struct level *at);

/* What walking into a folder came to that is gone or closed to us. */
static s3e_rc not_entered(struct walk *w)
{
    return errno == ENOENT || errno == ENOTDIR || errno == EACCES
               ? S3E_OK
               : fail_path(w, "open");
}

/* Walks into folder `name`, unless it holds the folder we are in. */
static s3e_rc enter(struct walk *w, const struct level *at, const char *name)
{
    const struct s3e_span entry = s3e_span_str(name);
    struct level down = {.up = at,
        .depth = at->depth + 1,
        .prefix = below(at->prefix, entry),
        .after = below(at->after, entry)};
    struct stat st;
    s3e_rc rc = S3E_OK;
    const size_t path_len = w->path.len;
    s3e_buf_add(&w->path, entry);
    if (s3e_buf_check(&w->path, "path", w->err)) {
        return w->path.rc;
    }
    down.fd = openat(at->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (down.fd < 0 || fstat(down.fd, &st) != 0 ||
        faccessat(down.fd, ".", X_OK, AT_EACCESS) != 0) {
        rc = not_entered(w);
        goto done;
    }
    down.dev = st.st_dev;
    down.ino = st.st_ino;
    for (const struct level *up = at; up; up = up->up) {
        if (up->dev == down.dev && up->ino == down.ino) {
            goto done;
        }
    }
    rc = down.depth > S3E_WALK_DEPTH_MAX
             ? s3e_fail(w->err, S3E_E_LIMIT,
                   "%s/%.*s: more than %d folders within folders", w->folder,
                   S3E_SPAN_ARG(s3e_buf_span(&w->path)), S3E_WALK_DEPTH_MAX)
             : walk_level(w, &down);
done:
    if (down.fd >= 0) {
        (void)close(down.fd);
    }
    w->path.len = path_len;
    return rc;
}

static s3e_rc visit(struct walk *w, const struct level *at, const char *name)
{
    if (descends(w, at, name)) {
        return enter(w, at, name);
    }
    if (!is_folder(name)) {
        return visit_file(w, at, name);
    }
    return page_is_full(w) ? S3E_OK : add_row(w, name, NULL);
}

/* Visits the next entries of the folder; `*more` where there may be others. */
static s3e_rc walk_some(struct walk *w, struct level *at, bool *more)
{
    struct entries e = {.room = (size_t)w->left + 1};
    e.names = s3e_zalloc_array(e.room, sizeof *e.names);
    s3e_rc rc = e.names ? gather(w, &e, at) : no_memory(w);
    for (size_t i = 0; i < e.num && !rc && !w->full; i++) {
        rc = visit(w, at, e.names[i]);
    }
    *more = !rc && !w->full && e.dropped;
    if (*more) {
        s3e_free(at->done);
        at->done = e.names[--e.num];
    }
    entries_free(&e);
    return rc;
}

static s3e_rc walk_level(struct walk *w, struct level *at)
{
    bool more = true;
    s3e_rc rc = S3E_OK;
    while (more && !rc) {
        rc = walk_some(w, at, &more);
    }
    s3e_free(at->done);
    at->done = NULL;
    return rc;
}

s3e_rc s3e_walk(struct s3e_page_builder *page, const char *folder,
    const struct s3e_walk_args *args, struct s3e_err *err)
{
    struct walk w = {.page = page,
        .folder = folder,
        .folders = args->folders,
        .left = args->rows,
        .path = S3E_BUF(PATH_ROOM),
        .last = S3E_BUF(PATH_ROOM),
        .err = err};
    struct level top = {.prefix = args->prefix, .after = args->after};
    struct stat st;
    s3e_rc rc = S3E_OK;
    top.fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top.fd < 0 || fstat(top.fd, &st) != 0) {
        rc = fail_path(&w, "open");
        goto done;
    }
    top.dev = st.st_dev;
    top.ino = st.st_ino;
    rc = walk_level(&w, &top);
    page->more = w.full;
    if (w.full) {
        s3e_page_set_next_token(page, s3e_buf_span(&w.last));
    }
done:
    if (top.fd >= 0) {
        (void)close(top.fd);
    }
    s3e_buf_free(&w.path);
    s3e_buf_free(&w.last);
    return rc;
}
