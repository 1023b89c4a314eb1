/* base/mem.h - the one allocator. malloc and friends are banned elsewhere
 * (tests/arch), so that the fault sweeps reach every allocation of ours. */
#ifndef S3E_BASE_MEM_H
#define S3E_BASE_MEM_H

#include "base/span.h"
#include "base/status.h"

/* The C library's unless a test sets another: set once, before the first
 * allocation. */
struct s3e_mem {
    void *(*realloc)(void *ptr, size_t bytes); /* bytes > 0; ptr may be NULL */
    void (*free)(void *ptr);                   /* ptr is never NULL */
};

void s3e_mem_set(const struct s3e_mem *mem);

/* Allocates `count` elements of `size` bytes, unspecified content; NULL on
 * zero, overflow or no memory. 16-byte aligned. */
S3E_MUST_CHECK void *s3e_alloc_array(size_t count, size_t size);

/* The same, filled with zeros. */
S3E_MUST_CHECK void *s3e_zalloc_array(size_t count, size_t size);

/* One zeroed object of the type that `ptr` points at. */
#define S3E_NEW(ptr) ((ptr) = s3e_zalloc_array(1, sizeof *(ptr)))

/* As realloc, for count * size > 0: on NULL the old block is untouched. */
S3E_MUST_CHECK void *s3e_realloc_array(void *ptr, size_t count, size_t size);

/* A NUL-terminated copy of `bytes`; NULL on no memory. Free with s3e_free. */
S3E_MUST_CHECK char *s3e_strdup(struct s3e_span bytes);

void s3e_free(void *ptr); /* NULL is allowed */

/* Overwrites memory in a way the compiler may not remove. */
void s3e_wipe(void *ptr, size_t len);

/* Wipes a C string (NULL is allowed), then frees it. */
void s3e_free_secret(char *str);

#endif
