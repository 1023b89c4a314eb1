#include "pipeline/slots.h"

#include "base/mem.h"

#include <assert.h>

static void free_slot(struct s3e_fetch *slot)
{
    for (unsigned i = 0; i < S3E_MAKERS_MAX; i++) {
        s3e_free(slot->made[i].vec);
    }
    s3e_blob_unref(slot->blob);
    s3e_free(slot->err);
    slot->window->source.item_free(slot->item);
    s3e_free(slot);
}

void s3e_slots_lock(struct s3e_window *window)
{
    s3e_mutex_lock(&window->lock);
}

void s3e_slots_unlock(struct s3e_window *window)
{
    struct s3e_fetch *dead = window->locked.dead;
    window->locked.dead = NULL;
    s3e_mutex_unlock(&window->lock);
    while (dead) {
        struct s3e_fetch *next = dead->next;
        free_slot(dead);
        dead = next;
    }
}

void s3e_slots_changed_locked(struct s3e_window *window)
{
    s3e_cond_broadcast(&window->changed);
}

void s3e_slots_release_locked(struct s3e_fetch *slot)
{
    if (slot->in_row || slot->state == S3E_FETCHING || slot->starting ||
        slot->cancelling || slot->jobs > 0) {
        return;
    }
    struct s3e_window *w = slot->window;
    w->locked.load.bytes -= slot->charged;
    slot->next = w->locked.dead;
    w->locked.dead = slot;
}

void s3e_slots_ref(struct s3e_window *window)
{
    atomic_fetch_add_explicit(&window->refs, 1, memory_order_relaxed);
}

void s3e_slots_unref(struct s3e_window *window)
{
    if (atomic_fetch_sub_explicit(&window->refs, 1, memory_order_acq_rel) !=
        1) {
        return;
    }
    assert(!window->locked.head && !window->locked.dead);
    for (unsigned i = 0; i < window->locked.num_learned; i++) {
        const struct s3e_maker *maker = &window->locked.learned[i].maker;
        maker->ctx_unref(maker->ctx);
    }
    window->source.ctx_free(window->source.ctx);
    s3e_cond_deinit(&window->changed);
    s3e_mutex_deinit(&window->lock);
    s3e_free(window);
}
