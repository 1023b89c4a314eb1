#include "s3vfs/list.h"

#include "base/mem.h"
#include "s3vfs/key_before.h"
#include "s3vfs/latch.h"

#include <stdlib.h>

enum {
    HEADS_AHEAD = 64,
    TOKEN_MAX = 8192, /* bytes */
    BOUND_MAX = 65536 /* bytes of a text that keys are compared with */
};

/* How long a call may take: until something has arrived, or not at all. */
struct waiting {
    bool wait;
    bool (*stop)(void *ctx);
    void *ctx;
};

enum state { ARRIVED, NOT_YET, ENDED };

/* An operation that may outlive its list. */
struct fetch {
    atomic_int refs; /* the list's and the operation's */
    struct s3e_store *store;
    struct s3e_latch ended;
    struct s3e_op op;
};

struct s3e_list {
    struct s3e_store *store;
    struct fetch *ahead[HEADS_AHEAD]; /* a ring, in row order */
    size_t first, num_ahead;
    struct s3e_page *page; /* the one that is read */
    size_t index;          /* of its next row, or folder */
    s3e_rc rc;             /* why it ended early */
    struct s3e_err err;
    /* A listing by pages. */
    struct s3e_buf prefix, delimiter, start_after;
    struct s3e_buf least; /* no key before it is a row */
    uint64_t limit, num_rows, num_pages;
    bool ordered;
    struct s3e_buf last;  /* the page before's last key, or last folder */
    struct s3e_buf token; /* of a page before: see check_token */
    /* A listing of known keys. */
    struct s3e_span *keys;
    size_t num_keys, next_key;
    uint8_t *text; /* theirs */
    bool found, bucket_asked;
};

/* ---- operations under way ---- */

static void fetch_unref(struct fetch *f)
{
    if (atomic_fetch_sub(&f->refs, 1) == 1) {
        s3e_op_reset(&f->op);
        s3e_latch_deinit(&f->ended);
        s3e_store_unref(f->store);
        s3e_free(f);
    }
}

static void on_done(struct s3e_op *op)
{
    struct fetch *f = op->in.user;
    s3e_latch_open(&f->ended);
    fetch_unref(f);
}

/* Starts an operation described by `in`, behind those under way. */
static s3e_rc fetch_start(
    struct s3e_list *list, const struct s3e_op *what, struct s3e_err *err)
{
    struct fetch *f = NULL;
    if (!S3E_NEW(f)) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a listing");
    }
    const s3e_rc rc = s3e_latch_init(&f->ended, err);
    if (rc) {
        s3e_free(f);
        return rc;
    }
    atomic_init(&f->refs, 2);
    f->store = s3e_store_ref(list->store);
    f->op.in = what->in;
    f->op.in.done = on_done;
    f->op.in.user = f;
    list->ahead[(list->first + list->num_ahead++) % HEADS_AHEAD] = f;
    s3e_store_start(f->store, &f->op);
    return S3E_OK;
}

/* The oldest operation under way, once it has ended, for the caller to unref;
 * `*out` NULL where it has not and `wait` is false. */
static s3e_rc fetch_take(struct s3e_list *list, struct fetch **out,
    const struct waiting *how, struct s3e_err *err)
{
    struct fetch *f = list->ahead[list->first];
    *out = NULL;
    if (!how->wait && !s3e_latch_is_open(&f->ended)) {
        return S3E_OK;
    }
    if (!s3e_latch_wait(&f->ended, how->stop, how->ctx)) {
        return s3e_fail(err, S3E_E_STOPPED, "the listing was stopped");
    }
    list->first = (list->first + 1) % HEADS_AHEAD;
    list->num_ahead--;
    *out = f;
    return S3E_OK;
}

/* ---- by pages ---- */

static s3e_rc ask_page(
    struct s3e_list *list, struct s3e_span token, struct s3e_err *err)
{
    const bool first = token.len == 0;
    const bool few = first && list->limit && list->limit < S3E_PAGE_KEYS_MAX;
    const struct s3e_op op = {
        .in = {.kind = S3E_OP_LIST,
            .prefix = s3e_buf_span(&list->prefix),
            .delimiter = s3e_buf_span(&list->delimiter),
            .start_after = s3e_buf_span(&list->start_after),
            .token = token,
            .max_keys = few ? (unsigned)list->limit : 0}};
    return fetch_start(list, &op, err);
}

/* A store that gives tokens in a circle would be read for ever. The token of
 * page 1, 2, 4, 8... is kept: a circle meets it (Brent 1980). */
static s3e_rc check_token(struct s3e_list *list, const struct s3e_page *page)
{
    const struct s3e_span token = page->next_token;
    const bool repeats =
        (list->page && s3e_span_eq(token, list->page->next_token)) ||
        (list->token.len && s3e_span_eq(token, s3e_buf_span(&list->token)));
    if (token.len == 0 || repeats) {
        return s3e_fail(&list->err, S3E_E_FORMAT,
            "the store says that its listing goes on, but %s",
            repeats ? "repeats its continuation token"
                    : "gives no continuation token");
    }
    list->num_pages++;
    if ((list->num_pages & (list->num_pages - 1)) == 0) {
        s3e_buf_clear(&list->token);
        s3e_buf_add(&list->token, token);
    }
    return s3e_buf_check(&list->token, "continuation token", &list->err);
}

/* Whether rows of the page after this one are wanted, as far as one can tell.
 */
static bool wants_next(const struct s3e_list *list, const struct s3e_page *page)
{
    return page->more &&
           (list->limit == 0 ||
               list->num_rows + page->num_objects + page->num_folders <
                   list->limit);
}

/* Makes `page` the one that is read, and asks for the next. */
static s3e_rc begin_page(struct s3e_list *list, struct s3e_page *page)
{
    s3e_rc rc = page->more ? check_token(list, page) : S3E_OK;
    if (list->page && list->page->num_objects) {
        s3e_buf_clear(&list->last);
        s3e_buf_add(
            &list->last, list->page->objects[list->page->num_objects - 1].key);
        rc = rc ? rc : s3e_buf_check(&list->last, "key", &list->err);
    }
    s3e_page_unref(list->page);
    list->page = s3e_page_ref(page);
    list->index = 0;
    if (!rc && wants_next(list, page)) {
        rc = ask_page(list, page->next_token, &list->err);
    }
    return rc;
}

/* Goes to the next page. */
static s3e_rc next_page(struct s3e_list *list, enum state *state,
    const struct waiting *how, struct s3e_err *err)
{
    struct fetch *f = NULL;
    *state = ENDED;
    if (list->num_ahead == 0 && (!list->page || !list->page->more)) {
        return S3E_OK;
    }
    if (list->num_ahead == 0) {
        list->rc = ask_page(list, list->page->next_token, &list->err);
        if (list->rc) {
            return S3E_OK;
        }
    }
    const s3e_rc rc = fetch_take(list, &f, how, err);
    if (rc || !f) {
        *state = NOT_YET;
        return rc;
    }
    list->rc = f->op.out.rc;
    list->err = f->op.out.err;
    if (!list->rc) {
        list->rc = begin_page(list, f->op.out.page);
    }
    *state = ARRIVED;
    fetch_unref(f);
    return S3E_OK;
}

/* ---- by known keys ---- */

static s3e_rc ask_heads(struct s3e_list *list)
{
    while (list->num_ahead < HEADS_AHEAD && list->next_key < list->num_keys) {
        const struct s3e_op op = {
            .in = {.kind = S3E_OP_HEAD, .key = list->keys[list->next_key]}};
        const s3e_rc rc = fetch_start(list, &op, &list->err);
        if (rc) {
            return rc;
        }
        list->next_key++;
    }
    return S3E_OK;
}

/* An answer without body cannot tell a key that is not there from a bucket that
 * is not: where no key was found, a listing says. */
static s3e_rc ask_bucket(struct s3e_list *list)
{
    const struct s3e_op op = {
        .in = {.kind = S3E_OP_LIST, .prefix = list->keys[0], .max_keys = 1}};
    list->bucket_asked = true;
    return fetch_start(list, &op, &list->err);
}

/* Takes the page of the next key that is there. */
static s3e_rc next_key(struct s3e_list *list, enum state *state,
    const struct waiting *how, struct s3e_err *err)
{
    struct fetch *f = NULL;
    *state = ENDED;
    list->rc = ask_heads(list);
    if (!list->rc && list->num_ahead == 0 && !list->found &&
        !list->bucket_asked) {
        list->rc = ask_bucket(list);
    }
    if (list->rc || list->num_ahead == 0) {
        return S3E_OK;
    }
    const s3e_rc rc = fetch_take(list, &f, how, err);
    if (rc || !f) {
        *state = NOT_YET;
        return rc;
    }
    const bool head = f->op.in.kind == S3E_OP_HEAD;
    s3e_page_unref(list->page);
    list->page = NULL;
    list->index = 0;
    if (f->op.out.rc == S3E_OK && head) {
        list->page = s3e_page_ref(f->op.out.page);
        list->found = true;
    } else if (f->op.out.rc != S3E_E_NOTFOUND || !head) {
        list->rc = f->op.out.rc;
        list->err = f->op.out.err;
    }
    *state = ARRIVED;
    fetch_unref(f);
    return S3E_OK;
}

/* ---- rows ---- */

/* Whether the row at `index` is one, and where the next must be behind it. */
static bool is_row(struct s3e_list *list)
{
    const struct s3e_object *objects = list->page->objects;
    const struct s3e_span key = objects[list->index].key;
    const struct s3e_span before =
        list->index ? objects[list->index - 1].key : s3e_buf_span(&list->last);
    if (list->ordered && before.len && s3e_span_cmp(before, key) >= 0) {
        list->rc = s3e_fail(&list->err, S3E_E_FORMAT,
            "the store lists key %.*s behind %.*s: not in the order of bytes "
            "that ORDER BY key and comparisons of key need",
            S3E_SPAN_ARG(key), S3E_SPAN_ARG(before));
        return false;
    }
    return s3e_span_cmp(key, s3e_buf_span(&list->least)) >= 0;
}

/* Gives the next row of the page; false where it has none left. */
static bool take_row(struct s3e_list *list, struct s3e_list_row *row)
{
    struct s3e_page *page = list->page;
    while (page && list->index < page->num_objects && !list->rc) {
        const bool yes = is_row(list);
        const size_t index = list->index++;
        if (yes) {
            list->num_rows++;
            row->page = s3e_page_ref(page);
            row->index = index;
            return true;
        }
    }
    return false;
}

s3e_rc s3e_list_next(struct s3e_list *list, struct s3e_list_row *row, bool wait,
    bool (*stop)(void *ctx), void *ctx, struct s3e_err *err)
{
    const struct waiting how = {wait, stop, ctx};
    enum state state = ARRIVED;
    *row = (struct s3e_list_row){0};
    while (!list->rc && !take_row(list, row) && !list->rc) {
        const s3e_rc rc = list->keys ? next_key(list, &state, &how, err)
                                     : next_page(list, &state, &how, err);
        if (rc || state == NOT_YET) {
            return rc;
        }
        if (state == ENDED && !list->rc) {
            row->ended = true;
            return S3E_OK;
        }
    }
    if (list->rc) {
        *err = list->err;
    }
    return list->rc;
}

/* Gives the next folder of the page; some stores repeat it on the next page. */
static bool take_folder(struct s3e_list *list, struct s3e_span *folder)
{
    const struct s3e_page *page = list->page;
    while (page && list->index < page->num_folders && !list->rc) {
        const struct s3e_span next = page->folders[list->index++];
        if (!s3e_span_eq(next, s3e_buf_span(&list->last))) {
            s3e_buf_clear(&list->last);
            s3e_buf_add(&list->last, next);
            list->rc = s3e_buf_check(&list->last, "folder", &list->err);
            *folder = s3e_buf_span(&list->last);
            return list->rc == S3E_OK;
        }
    }
    return false;
}

s3e_rc s3e_list_next_folder(struct s3e_list *list, struct s3e_span *folder,
    bool (*stop)(void *ctx), void *ctx, struct s3e_err *err)
{
    const struct waiting how = {true, stop, ctx};
    enum state state = ARRIVED;
    *folder = (struct s3e_span){0};
    while (!list->rc && !take_folder(list, folder) && !list->rc) {
        const s3e_rc rc = next_page(list, &state, &how, err);
        if (rc || (state == ENDED && !list->rc)) {
            return rc;
        }
    }
    if (list->rc) {
        *folder = (struct s3e_span){0};
        *err = list->err;
    }
    return list->rc;
}

/* ---- a list's life ---- */

static struct s3e_list *list_new(struct s3e_store *store)
{
    struct s3e_list *list = NULL;
    if (S3E_NEW(list)) {
        list->store = s3e_store_ref(store);
        list->prefix = S3E_BUF(BOUND_MAX);
        list->delimiter = S3E_BUF(S3E_KEY_MAX);
        list->start_after = S3E_BUF(S3E_KEY_MAX);
        list->least = S3E_BUF(BOUND_MAX);
        list->last = S3E_BUF(BOUND_MAX);
        list->token = S3E_BUF(TOKEN_MAX);
    }
    return list;
}

/* Where the listing begins: keys after A are those from A and a NUL on. */
static void set_bounds(struct s3e_list *list, const struct s3e_list_args *args)
{
    const struct s3e_span prefix = args->prefix;
    const bool after = args->start_after.len &&
                       s3e_span_cmp(args->start_after, args->from) >= 0;
    s3e_buf_add(&list->least, after ? args->start_after : args->from);
    if (after) {
        s3e_buf_add_byte(&list->least, 0);
    }
    if (list->least.len) {
        s3e_key_before(&list->start_after, s3e_buf_span(&list->least));
    }
    if (s3e_span_cmp(s3e_buf_span(&list->start_after), prefix) < 0) {
        s3e_buf_clear(&list->start_after);
    }
}

s3e_rc s3e_list_new(struct s3e_list **out, struct s3e_store *store,
    const struct s3e_list_args *args, struct s3e_err *err)
{
    struct s3e_list *list = list_new(store);
    if (!list) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a listing");
    }
    list->limit = args->limit;
    list->ordered = args->ordered;
    s3e_buf_add(&list->prefix, args->prefix);
    s3e_buf_add(&list->delimiter, args->delimiter);
    set_bounds(list, args);
    s3e_rc rc = s3e_buf_check(&list->prefix, "prefix", err);
    rc = rc ? rc : s3e_buf_check(&list->delimiter, "delimiter", err);
    rc = rc ? rc : s3e_buf_check(&list->least, "bound of a listing", err);
    rc = rc ? rc : s3e_buf_check(&list->start_after, "start-after", err);
    rc = rc ? rc : ask_page(list, (struct s3e_span){0}, err);
    if (rc) {
        s3e_list_free(list);
    } else {
        *out = list;
    }
    return rc;
}

static int compare(const void *a, const void *b)
{
    return s3e_span_cmp(
        *(const struct s3e_span *)a, *(const struct s3e_span *)b);
}

/* Copies the keys into one block, sorts them and drops doubles. */
static s3e_rc take_keys(struct s3e_list *list, const struct s3e_span *keys,
    size_t num_keys, struct s3e_err *err)
{
    size_t bytes = 1;
    for (size_t i = 0; i < num_keys; i++) {
        bytes += keys[i].len;
    }
    list->keys = s3e_alloc_array(num_keys, sizeof *list->keys);
    list->text = s3e_alloc_array(bytes, 1);
    if (!list->keys || !list->text) {
        return s3e_fail(
            err, S3E_E_NOMEM, "no memory for a list of %zu keys", num_keys);
    }
    memcpy(list->keys, keys, num_keys * sizeof *keys);
    qsort(list->keys, num_keys, sizeof *list->keys, compare);
    uint8_t *text = list->text;
    for (size_t i = 0; i < num_keys; i++) {
        const struct s3e_span key = list->keys[i];
        if (list->num_keys == 0 ||
            !s3e_span_eq(key, list->keys[list->num_keys - 1])) {
            memcpy(text, key.ptr, key.len);
            list->keys[list->num_keys++] = (struct s3e_span){text, key.len};
            text += key.len;
        }
    }
    return S3E_OK;
}

s3e_rc s3e_list_new_keys(struct s3e_list **out, struct s3e_store *store,
    const struct s3e_span *keys, size_t num_keys, struct s3e_err *err)
{
    struct s3e_list *list = list_new(store);
    if (!list) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a listing");
    }
    s3e_rc rc = take_keys(list, keys, num_keys, err);
    if (!rc) {
        rc = ask_heads(list);
        *err = list->err;
    }
    if (rc) {
        s3e_list_free(list);
    } else {
        *out = list;
    }
    return rc;
}

void s3e_list_free(struct s3e_list *list)
{
    if (!list) {
        return;
    }
    for (; list->num_ahead; list->num_ahead--) {
        struct fetch *f = list->ahead[list->first];
        list->first = (list->first + 1) % HEADS_AHEAD;
        s3e_store_cancel(f->store, &f->op);
        fetch_unref(f);
    }
    s3e_page_unref(list->page);
    s3e_buf_free(&list->prefix);
    s3e_buf_free(&list->delimiter);
    s3e_buf_free(&list->start_after);
    s3e_buf_free(&list->least);
    s3e_buf_free(&list->last);
    s3e_buf_free(&list->token);
    s3e_free(list->keys);
    s3e_free(list->text);
    s3e_store_unref(list->store);
    s3e_free(list);
}
