#include "base/blob.h"

#include "base/mem.h"

static struct s3e_blob *resize(struct s3e_blob *old, size_t room)
{
    const size_t extra = sizeof(struct s3e_blob) + S3E_BLOB_PAD;
    if (room > SIZE_MAX - extra) {
        return NULL;
    }
    struct s3e_blob *blob = s3e_realloc_array(old, room + extra, 1);
    if (blob) {
        blob->room = room;
        memset(blob->data + room, 0, S3E_BLOB_PAD);
    }
    return blob;
}

struct s3e_blob *s3e_blob_new(size_t room)
{
    struct s3e_blob *blob = resize(NULL, room);
    if (blob) {
        atomic_init(&blob->refs, 1);
        blob->len = 0;
    }
    return blob;
}

s3e_rc s3e_blob_append(
    struct s3e_blob **blob, struct s3e_span bytes, size_t cap)
{
    struct s3e_blob *b = *blob;
    if (bytes.len > cap || b->len > cap - bytes.len) {
        return S3E_E_LIMIT;
    }
    const size_t need = b->len + bytes.len;
    if (need > b->room) {
        const size_t twice = b->room < cap / 2 ? 2 * b->room : cap;
        b = resize(b, need > twice ? need : twice);
        if (!b) {
            return S3E_E_NOMEM;
        }
        *blob = b;
    }
    if (bytes.len) {
        memcpy(b->data + b->len, bytes.ptr, bytes.len);
        b->len = need;
    }
    return S3E_OK;
}

struct s3e_blob *s3e_blob_ref(struct s3e_blob *blob)
{
    atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
    return blob;
}

void s3e_blob_unref(struct s3e_blob *blob)
{
    if (blob &&
        atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel) == 1) {
        s3e_free(blob);
    }
}

struct s3e_blob *s3e_blob_of(void *data)
{
    uint8_t *head = (uint8_t *)data - offsetof(struct s3e_blob, data);
    return (struct s3e_blob *)(void *)head;
}

struct s3e_span s3e_blob_span(const struct s3e_blob *blob)
{
    return blob ? (struct s3e_span){blob->data, blob->len}
                : (struct s3e_span){0};
}
