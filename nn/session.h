/* nn/session.h - a network ready to run: an XNNPACK runtime with its packed
 * weights, its input and its output. */
#ifndef S3E_NN_SESSION_H
#define S3E_NN_SESSION_H

#include "nn/graph.h"

struct s3e_session;

/* Makes a session of `graph`, which must outlive it.
 *
 * out     owned by the caller: s3e_session_free; NULL on failure.
 * Errors  S3E_E_INPUT (XNNPACK refuses a node: it is named; or it does not
 *         run on this CPU), S3E_E_NOMEM.
 * Thread  any; sessions are made one at a time, others wait. */
S3E_MUST_CHECK s3e_rc s3e_session_new(struct s3e_session **out,
    const struct s3e_graph *graph, struct s3e_err *err);
void s3e_session_free(struct s3e_session *session); /* NULL is allowed */

/* [height, width, 3] float32 for the caller to fill before each run. */
float *s3e_session_input(struct s3e_session *session);

/* Runs the network once.
 *
 * out     [graph->output->shape.num] float32 in the model's own order.
 * Errors  S3E_E_INPUT (the result has a NaN or an infinity, or XNNPACK
 *         refuses to run), S3E_E_NOMEM.
 * Thread  one at a time. */
S3E_MUST_CHECK s3e_rc s3e_session_run(
    struct s3e_session *session, float *out, struct s3e_err *err);

#endif
