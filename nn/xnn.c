#include "nn/xnn.h"

#include "base/sync.h"

#include <dlfcn.h>
#include <stdio.h>
#include <xnnpack.h>

static struct s3e_once g_once = S3E_ONCE_STATIC;
static enum xnn_status g_started = xnn_status_uninitialized;

/* With the C library's allocator: the first to start XNNPACK in a process sets
 * it for all, and ours would dangle once we are unloaded. */
static void start(void)
{
    g_started = xnn_initialize(NULL);
}

s3e_rc s3e_xnn_start(struct s3e_err *err)
{
    s3e_once(&g_once, start);
    if (g_started == xnn_status_unsupported_hardware) {
        return s3e_fail(err, S3E_E_INPUT,
            "XNNPACK cannot run here: it needs SSE2 or NEON, and to read the "
            "CPU's features from /proc");
    }
    return s3e_xnn_check((int)g_started, "start", err);
}

s3e_rc s3e_xnn_check(int status, const char *what, struct s3e_err *err)
{
    switch (status) {
    case xnn_status_success:
        return S3E_OK;
    case xnn_status_out_of_memory:
        return s3e_fail(err, S3E_E_NOMEM, "no memory for XNNPACK");
    case xnn_status_unsupported_parameter:
    case xnn_status_unsupported_hardware:
        return s3e_fail(err, S3E_E_INPUT,
            "%s: this XNNPACK does not support it (status %d)", what, status);
    default:
        return s3e_fail(err, S3E_E_INPUT, "%s: XNNPACK refuses it (status %d)",
            what, status);
    }
}

void s3e_xnn_describe(char *out, size_t room)
{
    /* It tells no version: what it has dates it. */
    static const struct {
        const char *symbol, *snapshot;
    } since[] = {
        {"xnn_define_batch_matrix_multiply", "2023-05 or newer"},
        {"xnn_define_static_transpose", "2022-04 or newer"},
        {"xnn_initialize", "2022-02"},
    };
    const char *snapshot = "unknown";
    Dl_info info = {0};
    void *self = NULL;
    for (size_t i = sizeof since / sizeof *since; i-- > 0;) {
        void *found = dlsym(RTLD_DEFAULT, since[i].symbol);
        snapshot = found ? since[i].snapshot : snapshot;
        self = self ? self : found;
    }
    (void)dladdr(self, &info);
    (void)snprintf(out, room, "XNNPACK %s, snapshot of %s",
        info.dli_fname ? info.dli_fname : "linked statically", snapshot);
}
