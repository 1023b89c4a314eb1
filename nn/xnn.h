/* nn/xnn.h - XNNPACK as a whole: started at first use, its statuses in our
 * terms. */
#ifndef S3E_NN_XNN_H
#define S3E_NN_XNN_H

#include "base/status.h"

#include <stddef.h>

/* Starts XNNPACK, the first time it is called.
 *
 * Errors  S3E_E_NOMEM, S3E_E_INPUT (this CPU cannot run it).
 * Thread  any. */
S3E_MUST_CHECK s3e_rc s3e_xnn_start(struct s3e_err *err);

/* An enum xnn_status as an s3e_rc: S3E_OK, S3E_E_NOMEM, or S3E_E_INPUT that
 * says `what` it would not do: the model's fault, never an image's. */
S3E_MUST_CHECK s3e_rc s3e_xnn_check(
    int status, const char *what, struct s3e_err *err);

/* Writes which XNNPACK this is, by its file and what it has. */
void s3e_xnn_describe(char *out, size_t room);

#endif
