/* nn/lower.h - a graph of ours as an XNNPACK subgraph, float32, NHWC, batch 1.
 * Only what the snapshot of 2022-02-16 has is used. */
#ifndef S3E_NN_LOWER_H
#define S3E_NN_LOWER_H

#include "nn/graph.h"

struct xnn_subgraph;

/* Numbers of the external values. */
enum { S3E_LOWER_INPUT, S3E_LOWER_OUTPUT, S3E_LOWER_EXTERNALS };

/* Builds the subgraph of `graph`, whose weights it points at: it must outlive
 * the subgraph and its runtimes.
 *
 * out     xnn_delete_subgraph it; NULL on failure.
 * Errors  S3E_E_FORMAT (XNNPACK refuses a node: it is named), S3E_E_NOMEM.
 * Thread  any; XNNPACK has been started. */
S3E_MUST_CHECK s3e_rc s3e_lower(struct xnn_subgraph **out,
    const struct s3e_graph *graph, struct s3e_err *err);

#endif
