/* nn_probe MODEL HEIGHT WIDTH [OUTPUT [REPEATS]] - runs an ONNX file on float32
 * tensors [HEIGHT, WIDTH, 3] from standard input, one after another, and writes
 * each result as float32 to standard output. With REPEATS it runs the first
 * tensor that often and says on standard error how long a run took. OUTPUT is
 * a tensor of the model, or "" for its only output. For onnx_parity.py. */
#include "base/clock.h"
#include "base/mem.h"
#include "nn/session.h"
#include "tests/harness.h"

static void say_time(struct s3e_session *session, float *out, int repeats)
{
    struct s3e_err err;
    const int64_t start = s3e_clock_us();
    for (int i = 0; i < repeats; i++) {
        CHECK_RC(s3e_session_run(session, out, &err), S3E_OK, &err);
    }
    const double us = (double)(s3e_clock_us() - start);
    (void)fprintf(stderr, "%.3f ms a run\n", us / 1000 / repeats);
}

int main(int argc, char **argv)
{
    struct s3e_err err;
    struct s3e_onnx onnx;
    struct s3e_graph *graph = NULL;
    struct s3e_session *session = NULL;
    if (argc < 4) {
        (void)fprintf(stderr, "usage: nn_probe MODEL HEIGHT WIDTH [OUTPUT "
                              "[REPEATS]]\n");
        return 2;
    }
    const struct s3e_graph_options options = {
        .height = strtoul(argv[2], NULL, 10),
        .width = strtoul(argv[3], NULL, 10),
        .output = argc > 4 && *argv[4] ? argv[4] : NULL};
    const struct s3e_span file = read_file(argv[1]);
    s3e_rc rc = s3e_onnx_read(&onnx, file, &err);
    free((void *)(uintptr_t)file.ptr);
    if (!rc) {
        rc = s3e_graph_new(&graph, &onnx, &options, &err);
        s3e_onnx_deinit(&onnx);
    }
    if (!rc) {
        rc = s3e_session_new(&session, graph, &err);
    }
    if (rc) {
        (void)fprintf(stderr, "%s\n", err.msg);
        s3e_graph_free(graph);
        return 1;
    }
    float *in = s3e_session_input(session);
    const size_t num_in = graph->input->shape.num;
    const size_t num_out = graph->output->shape.num;
    float *out = s3e_alloc_array(num_out, sizeof *out);
    CHECK(out != NULL);
    while (fread(in, sizeof *in, num_in, stdin) == num_in) {
        CHECK_RC(s3e_session_run(session, out, &err), S3E_OK, &err);
        CHECK(fwrite(out, sizeof *out, num_out, stdout) == num_out);
    }
    if (argc > 5) {
        say_time(session, out, atoi(argv[5]));
    }
    s3e_free(out);
    s3e_session_free(session);
    s3e_graph_free(graph);
    return 0;
}
