#include "nn/model.h"

#include "base/clock.h"
#include "base/mem.h"
#include "nn/default_model.h"
#include "nn/graph.h"
#include "nn/onnx.h"
#include "nn/session.h"
#include "nn/xnn.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>

enum { IDLE_MAX = 256 }; /* sessions kept between calls; more are freed */

struct s3e_model {
    atomic_int refs;
    struct s3e_model_info info;
    struct s3e_graph *graph;
    /* A free session each, or NULL: taken and put back by exchange, so that no
     * lock is held when the process forks. */
    _Atomic(struct s3e_session *) idle[IDLE_MAX];
};

static atomic_uint_least64_t g_images, g_decode_us, g_infer_us;

static struct s3e_session *take_idle(struct s3e_model *model)
{
    struct s3e_session *session = NULL;
    for (size_t i = 0; !session && i < IDLE_MAX; i++) {
        if (atomic_load_explicit(&model->idle[i], memory_order_relaxed)) {
            session = atomic_exchange(&model->idle[i], NULL);
        }
    }
    return session;
}

static void put_idle(struct s3e_model *model, struct s3e_session *session)
{
    for (size_t i = 0; i < IDLE_MAX; i++) {
        struct s3e_session *none = NULL;
        if (atomic_compare_exchange_strong(&model->idle[i], &none, session)) {
            return;
        }
    }
    s3e_session_free(session);
}

static void model_free(struct s3e_model *model)
{
    for (size_t i = 0; i < IDLE_MAX; i++) {
        s3e_session_free(atomic_load(&model->idle[i]));
    }
    s3e_graph_free(model->graph);
    s3e_free(model);
}

static s3e_rc fill_info(struct s3e_model *model, const char *sha256,
    const struct s3e_model_options *options, struct s3e_err *err)
{
    struct s3e_model_info *info = &model->info;
    info->format = "onnx";
    (void)snprintf(info->sha256, sizeof info->sha256, "%s", sha256);
    info->recipe = *options->recipe;
    info->normalize = options->normalize;
    if (!s3e_recipe_size(
            options->recipe, &info->input_height, &info->input_width)) {
        return s3e_fail(err, S3E_E_INPUT,
            "the recipe gives each picture a size of its own: the model needs "
            "a crop, or a height and width to resize to");
    }
    return S3E_OK;
}

static s3e_rc fill_graph(struct s3e_model *model, struct s3e_span file,
    const char *output, struct s3e_err *err)
{
    struct s3e_model_info *info = &model->info;
    struct s3e_session *session;
    struct s3e_onnx onnx;
    s3e_rc rc = s3e_onnx_read(&onnx, file, err);
    if (rc) {
        return rc;
    }
    const struct s3e_graph_options options = {.height = info->input_height,
        .width = info->input_width,
        .output = output};
    rc = s3e_graph_new(&model->graph, &onnx, &options, err);
    s3e_onnx_deinit(&onnx);
    if (rc) {
        return rc;
    }
    info->dims = model->graph->output->shape.num;
    info->num_parameters = model->graph->num_parameters;
    if (info->dims > S3E_MODEL_DIMS_MAX) {
        return s3e_fail(err, S3E_E_LIMIT,
            "the model's vector has %zu numbers; %d at most", info->dims,
            (int)S3E_MODEL_DIMS_MAX);
    }
    /* What XNNPACK refuses is said now, not at the first image. */
    rc = s3e_session_new(&session, model->graph, err);
    if (!rc) {
        put_idle(model, session);
    }
    return rc;
}

s3e_rc s3e_model_new(struct s3e_model **out, struct s3e_span file,
    const char *sha256, const struct s3e_model_options *options,
    struct s3e_err *err)
{
    struct s3e_model *model;
    *out = NULL;
    if (!S3E_NEW(model)) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a model");
    }
    atomic_init(&model->refs, 1);
    s3e_rc rc = fill_info(model, sha256, options, err);
    if (!rc) {
        rc = fill_graph(model, file, options->output, err);
    }
    if (rc) {
        model_free(model);
        return rc;
    }
    *out = model;
    return S3E_OK;
}

struct s3e_model *s3e_model_ref(struct s3e_model *model)
{
    atomic_fetch_add(&model->refs, 1);
    return model;
}

void s3e_model_unref(struct s3e_model *model)
{
    if (model && atomic_fetch_sub(&model->refs, 1) == 1) {
        model_free(model);
    }
}

const struct s3e_model_info *s3e_model_info(const struct s3e_model *model)
{
    return &model->info;
}

/* To length 1; a vector of zeros has no direction and stays. */
static void scale_to_one(float *v, size_t dims)
{
    double sum = 0.0;
    for (size_t i = 0; i < dims; i++) {
        sum += (double)v[i] * (double)v[i];
    }
    const double scale = sum > 0.0 ? 1.0 / sqrt(sum) : 1.0;
    for (size_t i = 0; i < dims; i++) {
        v[i] = (float)((double)v[i] * scale);
    }
}

static s3e_rc run(struct s3e_model *model, struct s3e_session *session,
    float *out, struct s3e_span image, struct s3e_err *err)
{
    struct s3e_image img = {0};
    const int64_t start = s3e_clock_us();
    s3e_rc rc = s3e_image_decode(&img, image, err);
    if (!rc) {
        rc = s3e_recipe_apply(
            &model->info.recipe, s3e_session_input(session), &img, err);
    }
    s3e_image_deinit(&img);
    if (rc) {
        return rc;
    }
    const int64_t decoded = s3e_clock_us();
    rc = s3e_session_run(session, out, err);
    if (rc) {
        return rc;
    }
    if (model->info.normalize) {
        scale_to_one(out, model->info.dims);
    }
    const int64_t inferred = s3e_clock_us();
    atomic_fetch_add(&g_images, 1);
    atomic_fetch_add(&g_decode_us, (uint64_t)(decoded - start));
    atomic_fetch_add(&g_infer_us, (uint64_t)(inferred - decoded));
    return S3E_OK;
}

s3e_rc s3e_model_embed(struct s3e_model *model, float *out,
    struct s3e_span image, struct s3e_err *err)
{
    struct s3e_session *session = take_idle(model);
    s3e_rc rc = S3E_OK;
    if (!session) {
        rc = s3e_session_new(&session, model->graph, err);
    }
    if (!rc) {
        rc = run(model, session, out, image, err);
        put_idle(model, session);
    }
    return rc;
}

struct s3e_model_stats s3e_model_stats(void)
{
    return (struct s3e_model_stats){atomic_load(&g_images),
        atomic_load(&g_decode_us), atomic_load(&g_infer_us)};
}

/* Whoever comes first loads it; of two at once the later one's is dropped. No
 * lock: see `idle`. */
static _Atomic(struct s3e_model *) g_default;

static s3e_rc load_default(struct s3e_model **out, struct s3e_err *err)
{
    struct s3e_recipe recipe;
    s3e_rc rc = s3e_recipe_parse(&recipe, s3e_default_recipe(), err);
    if (rc) {
        return rc;
    }
    const struct s3e_model_options options = {.recipe = &recipe};
    return s3e_model_new(
        out, s3e_default_model(), s3e_default_sha256(), &options, err);
}

s3e_rc s3e_model_default(struct s3e_model **out, struct s3e_err *err)
{
    struct s3e_model *model = atomic_load(&g_default), *none = NULL;
    *out = NULL;
    if (!model) {
        const s3e_rc rc = load_default(&model, err);
        if (rc) {
            return s3e_prefix(err, rc, "the default model");
        }
        if (!atomic_compare_exchange_strong(&g_default, &none, model)) {
            s3e_model_unref(model);
            model = none;
        }
    }
    *out = s3e_model_ref(model);
    return S3E_OK;
}

void s3e_model_describe(char *out, size_t room)
{
    s3e_xnn_describe(out, room);
}
