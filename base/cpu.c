#include "base/cpu.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static int affinity(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    const int count = CPU_COUNT(&set);
    return count > 0 ? count : 1;
}

static int quota_to_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) {
        return 0;
    }
    const long long cpus = (quota + period - 1) / period;
    return cpus < 4096 ? (int)cpus : 0;
}

int s3e_cpu_quota(const char *cpu_max)
{
    char *end = NULL;
    const long long quota = strtoll(cpu_max, &end, 10);
    if (end == cpu_max || *end != ' ') {
        return 0;
    }
    return quota_to_cpus(quota, strtoll(end, NULL, 10));
}

/* A small file as a string for s3e_free; NULL where it cannot be read. */
static char *slurp(const char *path)
{
    struct s3e_err err;
    struct s3e_blob *blob = NULL;
    if (s3e_file_read(&blob, path, 4096, &err)) {
        return NULL;
    }
    char *text = s3e_strdup(s3e_blob_span(blob));
    s3e_blob_unref(blob);
    return text;
}

static long long number_in(const char *path)
{
    char *text = slurp(path);
    const long long value = text ? strtoll(text, NULL, 10) : 0;
    s3e_free(text);
    return value;
}

int s3e_cpu_count(void)
{
    char *cpu_max = slurp("/sys/fs/cgroup/cpu.max");
    const int quota =
        cpu_max
            ? s3e_cpu_quota(cpu_max)
            : quota_to_cpus(number_in("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
                  number_in("/sys/fs/cgroup/cpu/cpu.cfs_period_us"));
    s3e_free(cpu_max);
    const int cpus = affinity();
    return quota > 0 && quota < cpus ? quota : cpus;
}

void s3e_cpu_describe(char *out, size_t room)
{
#if defined(__x86_64__)
    (void)snprintf(out, room, "x86-64%s%s%s%s%s",
        __builtin_cpu_supports("avx") ? " avx" : "",
        __builtin_cpu_supports("avx2") ? " avx2" : "",
        __builtin_cpu_supports("fma") ? " fma" : "",
        __builtin_cpu_supports("avx512f") ? " avx512f" : "",
        __builtin_cpu_supports("avx512vnni") ? " avx512vnni" : "");
#elif defined(__aarch64__)
    (void)snprintf(out, room, "arm64");
#else
    (void)snprintf(out, room, "unknown");
#endif
}
