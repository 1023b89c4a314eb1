/* tests/bench/bare.c - the floor that SQL is measured against: decode and
 * inference alone, in as many threads at once, of images already in memory.
 *
 *   bare THREADS ROUNDS MODEL|- RECIPE|- FILE...   MODEL: an ONNX file, - the
 *   embedded one. Prints {"images":..,"wall_s":..,"cpu_s":..}. */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sync.h"
#include "nn/model.h"
#include "tests/harness.h"

#include <stdatomic.h>
#include <sys/resource.h>

struct job {
    struct s3e_model *model;
    struct s3e_blob **images;
    size_t num_images, total;
    atomic_size_t next;
};

static void work(void *arg)
{
    struct job *job = arg;
    struct s3e_err err;
    const size_t dims = s3e_model_info(job->model)->dims;
    float *vector = s3e_alloc_array(dims, sizeof *vector);
    CHECK(vector != NULL);
    for (;;) {
        const size_t i = atomic_fetch_add(&job->next, 1);
        if (i >= job->total) {
            break;
        }
        CHECK_RC(s3e_model_embed(job->model, vector,
                     s3e_blob_span(job->images[i % job->num_images]), &err),
            S3E_OK, &err);
    }
    s3e_free(vector);
}

static struct s3e_model *load(const char *path, const char *recipe_path)
{
    struct s3e_err err;
    struct s3e_model *model = NULL;
    if (strcmp(path, "-") == 0) {
        CHECK_RC(s3e_model_default(&model, &err), S3E_OK, &err);
        return model;
    }
    struct s3e_blob *file = NULL, *json = NULL;
    struct s3e_recipe recipe;
    CHECK_RC(s3e_file_read(&json, recipe_path, 1 << 20, &err), S3E_OK, &err);
    CHECK_RC(
        s3e_recipe_parse(&recipe, s3e_blob_span(json), &err), S3E_OK, &err);
    CHECK_RC(
        s3e_file_read(&file, path, S3E_MODEL_FILE_MAX, &err), S3E_OK, &err);
    const struct s3e_model_options options = {.recipe = &recipe};
    CHECK_RC(s3e_model_new(&model, s3e_blob_span(file), "", &options, &err),
        S3E_OK, &err);
    s3e_blob_unref(json);
    s3e_blob_unref(file);
    return model;
}

static double cpu_s(void)
{
    struct rusage use;
    CHECK(getrusage(RUSAGE_SELF, &use) == 0);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    CHECK(argc > 5);
    enum { THREADS_MAX = 256 };
    const int threads = atoi(argv[1]), rounds = atoi(argv[2]);
    CHECK(threads >= 1 && threads <= THREADS_MAX && rounds >= 1);
    struct job job = {.model = load(argv[3], argv[4])};
    job.num_images = (size_t)argc - 5;
    job.total = job.num_images * (size_t)rounds;
    job.images = s3e_alloc_array(job.num_images, sizeof *job.images);
    CHECK(job.images != NULL);
    for (size_t i = 0; i < job.num_images; i++) {
        struct s3e_err err;
        CHECK_RC(s3e_file_read(&job.images[i], argv[5 + i], 1 << 28, &err),
            S3E_OK, &err);
    }
    const int64_t start_us = s3e_clock_us();
    const double start_cpu = cpu_s();
    struct s3e_thread thread[THREADS_MAX];
    for (int i = 0; i < threads; i++) {
        struct s3e_err err;
        CHECK_RC(s3e_thread_start(&thread[i], "bare", work, &job, &err), S3E_OK,
            &err);
    }
    for (int i = 0; i < threads; i++) {
        s3e_thread_join(&thread[i]);
    }
    printf("{\"images\":%zu,\"wall_s\":%.6f,\"cpu_s\":%.6f}\n", job.total,
        (double)(s3e_clock_us() - start_us) / 1e6, cpu_s() - start_cpu);
    return 0;
}
