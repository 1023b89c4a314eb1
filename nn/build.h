/* nn/build.h - the graph in the making, for graph.c and build.c; operators see
 * op.h. */
#ifndef S3E_NN_BUILD_H
#define S3E_NN_BUILD_H

#include "nn/op.h"

#define S3E_GRAPH_ELEMENTS_MAX (UINT64_C(1) << 31) /* computed in one run */

/* Memory of constants that were folded. */
struct s3e_build_block {
    struct s3e_build_block *next;
    _Alignas(16) uint8_t bytes[];
};

struct s3e_build {
    struct s3e_graph *graph;
    const struct s3e_onnx *onnx;
    struct s3e_build_block *blocks;
    size_t room_values, room_nodes; /* of the graph's arrays */
    size_t max_elements;            /* of one tensor */
    size_t elements_left;           /* that folded constants may still take */
    uint64_t computed;              /* elements of one run so far */
};

S3E_MUST_CHECK s3e_rc s3e_make_input(struct s3e_build *build,
    struct s3e_value **out, const struct s3e_shape *shape, size_t chan,
    struct s3e_err *err);

#endif
