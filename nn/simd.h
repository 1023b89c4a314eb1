/* nn/simd.h - one function, compiled for what the CPU at hand can do. */
#ifndef S3E_NN_SIMD_H
#define S3E_NN_SIMD_H

#include <stddef.h> /* __GLIBC__ */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
# define S3E_SANITIZED 1
#elif defined(__has_feature)
# if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||    \
     __has_feature(memory_sanitizer)
#  define S3E_SANITIZED 1
# endif
#endif

/* Before a function's definition: a copy for AVX2 and one for any x86-64, the
 * loader takes the right one (glibc's ifunc, which runs before a sanitizer is
 * ready). Integer and IEEE float results are the same in both: neither fuses a
 * multiply with an add. */
#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) &&         \
    !defined(S3E_SANITIZED)
# define S3E_CLONES __attribute__((target_clones("avx2", "default")))
#else
# define S3E_CLONES
#endif

#endif
