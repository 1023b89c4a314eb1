#include "base/mem.h"

#include <stdlib.h>

/* Called through a volatile pointer: the compiler must assume it matters. */
static void *(*const volatile g_memset)(void *, int, size_t) = memset;

static struct s3e_mem g_mem = {.realloc = realloc, .free = free};

void s3e_mem_set(const struct s3e_mem *mem)
{
    g_mem = *mem;
}

void *s3e_realloc_array(void *ptr, size_t count, size_t size)
{
    if (size == 0 || count == 0 || count > SIZE_MAX / size) {
        return NULL;
    }
    return g_mem.realloc(ptr, count * size);
}

void *s3e_alloc_array(size_t count, size_t size)
{
    return s3e_realloc_array(NULL, count, size);
}

void *s3e_zalloc_array(size_t count, size_t size)
{
    void *ptr = s3e_alloc_array(count, size);
    if (ptr) {
        memset(ptr, 0, count * size);
    }
    return ptr;
}

char *s3e_strdup(struct s3e_span bytes)
{
    char *str = s3e_alloc_array(bytes.len + 1, 1);
    if (str) {
        if (bytes.len) {
            memcpy(str, bytes.ptr, bytes.len);
        }
        str[bytes.len] = '\0';
    }
    return str;
}

void s3e_free(void *ptr)
{
    if (ptr) {
        g_mem.free(ptr);
    }
}

void s3e_wipe(void *ptr, size_t len)
{
    g_memset(ptr, 0, len);
}

void s3e_free_secret(char *str)
{
    if (str) {
        s3e_wipe(str, strlen(str));
        s3e_free(str);
    }
}
