/* base/cpu.h - the CPUs that this process may use: how many, of what kind. */
#ifndef S3E_BASE_CPU_H
#define S3E_BASE_CPU_H

#include <stddef.h>

/* At least 1: the affinity mask, cut by the cgroup v2 (cpu.max) or v1
 * (cpu.cfs_quota_us) quota rounded up. Read anew at each call. */
int s3e_cpu_count(void);

/* Quota text of cgroup v2 ("200000 100000", "max 100000") -> CPUs rounded up;
 * 0 where there is no limit or the text is not understood. */
int s3e_cpu_quota(const char *cpu_max);

/* The architecture and what of it matters to arithmetic, for s3embed_debug():
 * "x86-64 avx avx2 fma". */
void s3e_cpu_describe(char *out, size_t room);

#endif
