/* Any bytes are either refused with a sentence, or a model whose every node
 * reads and writes what is there, and which runs: for 8x8 pictures. */
#include "nn/session.h"
#include "tests/harness.h"
#include "tests/net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { MACS_MAX = 4000000 }; /* larger ones are not run: they take long */

static void run(const struct s3e_graph *graph)
{
    struct s3e_err err = {.msg = ""};
    struct s3e_session *session;
    const s3e_rc rc = s3e_session_new(&session, graph, &err);
    if (rc) {
        CHECK(rc == S3E_E_INPUT || rc == S3E_E_NOMEM);
        CHECK(*err.msg);
        return;
    }
    const size_t num = graph->output->shape.num;
    float *out = malloc(num * sizeof *out);
    CHECK(out != NULL);
    for (size_t i = 0; i < graph->input->shape.num; i++) {
        s3e_session_input(session)[i] = (float)(i % 7) / 7.0F;
    }
    const s3e_rc ran = s3e_session_run(session, out, &err);
    CHECK(ran == S3E_OK || (ran == S3E_E_INPUT && *err.msg));
    free(out);
    s3e_session_free(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct s3e_graph_options options = {
        .height = 8, .width = 8, .max_elements = 1 << 14};
    struct s3e_err err = {.msg = ""};
    struct s3e_graph *graph = NULL;
    struct s3e_onnx onnx;
    s3e_rc rc = s3e_onnx_read(&onnx, (struct s3e_span){data, len}, &err);
    if (!rc) {
        rc = s3e_graph_new(&graph, &onnx, &options, &err);
        s3e_onnx_deinit(&onnx);
    }
    if (rc) {
        CHECK(!graph && *err.msg);
        return 0;
    }
    net_check(graph);
    if (graph->macs <= MACS_MAX) {
        run(graph);
    }
    s3e_graph_free(graph);
    return 0;
}
