#include "nn/graph.h"

#include "base/mem.h"
#include "nn/build.h"

#include <stdio.h>
#include <stdlib.h>

enum source { FROM_INPUT, FROM_TENSOR, FROM_NODE };

/* A name of the file: where its tensor comes from, and what became of it. */
struct entry {
    const char *name;
    enum source source;
    size_t index; /* of the input, initialiser or node */
    bool live;    /* the output depends on it */
    struct s3e_value *value;
};

struct names {
    struct entry *entries; /* in order of name */
    size_t num;
};

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    const int order = strcmp(x->name, y->name);
    /* An initialiser may be listed as an input too: it comes first. */
    return order ? order
                 : (x->source != FROM_TENSOR) - (y->source != FROM_TENSOR);
}

static struct entry *find(const struct names *names, const char *name)
{
    size_t lo = 0, hi = names->num;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const int order = strcmp(name, names->entries[mid].name);
        if (order == 0) {
            return &names->entries[mid];
        }
        if (order < 0) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return NULL;
}

static void enter(
    struct names *names, const char *name, enum source source, size_t index)
{
    if (*name) {
        names->entries[names->num++] =
            (struct entry){.name = name, .source = source, .index = index};
    }
}

static s3e_rc drop_duplicates(struct names *names, struct s3e_err *err)
{
    size_t num = 0;
    for (size_t i = 0; i < names->num; i++) {
        const struct entry *e = &names->entries[i];
        struct entry *last = num ? &names->entries[num - 1] : NULL;
        if (!last || strcmp(last->name, e->name) != 0) {
            names->entries[num++] = *e;
        } else if (last->source != FROM_TENSOR || e->source != FROM_INPUT) {
            return s3e_fail(
                err, S3E_E_FORMAT, "two tensors are named '%s'", e->name);
        }
    }
    names->num = num;
    return S3E_OK;
}

static s3e_rc collect_names(
    struct names *names, const struct s3e_onnx *onnx, struct s3e_err *err)
{
    size_t room = onnx->num_inputs + onnx->num_tensors + 1;
    for (size_t i = 0; i < onnx->num_nodes; i++) {
        room += onnx->nodes[i].num_outputs;
    }
    names->entries = s3e_alloc_array(room, sizeof *names->entries);
    if (!names->entries) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for %zu names", room);
    }
    for (size_t i = 0; i < onnx->num_inputs; i++) {
        enter(names, onnx->inputs[i].name, FROM_INPUT, i);
    }
    for (size_t i = 0; i < onnx->num_tensors; i++) {
        enter(names, onnx->tensors[i].name, FROM_TENSOR, i);
    }
    for (size_t i = 0; i < onnx->num_nodes; i++) {
        for (size_t k = 0; k < onnx->nodes[i].num_outputs; k++) {
            enter(names, onnx->nodes[i].outputs[k], FROM_NODE, i);
        }
    }
    qsort(names->entries, names->num, sizeof *names->entries, by_name);
    return drop_duplicates(names, err);
}

/* The entry of the tensor that is to be the vector; NULL, and why, where there
 * is none. */
static struct entry *choose_output(const struct names *names,
    const struct s3e_onnx *onnx, const char *output, struct s3e_err *err)
{
    if (!output && onnx->num_outputs == 1) {
        output = onnx->outputs[0].name;
    }
    struct entry *entry = output ? find(names, output) : NULL;
    if (entry) {
        return entry;
    }
    char list[400] = "";
    for (size_t i = 0, len = 0; i < onnx->num_outputs; i++) {
        (void)snprintf(list + len, sizeof list - len, "%s'%s'", i ? ", " : "",
            onnx->outputs[i].name);
        len = strlen(list);
    }
    if (output) {
        (void)s3e_fail(err, S3E_E_INPUT,
            "the model has no tensor '%s'; its outputs are %s", output, list);
    } else {
        (void)s3e_fail(err, S3E_E_INPUT,
            "the model has %zu outputs, %s: say which is the vector with the "
            "option \"output\"",
            onnx->num_outputs, list);
    }
    return NULL;
}

/* Marks what `output` depends on; nodes stand in order, so one walk back is
 * enough. */
static void mark_live(const struct names *names, const struct s3e_onnx *onnx,
    struct entry *output)
{
    output->live = true;
    for (size_t i = onnx->num_nodes; i-- > 0;) {
        const struct s3e_onnx_node *node = &onnx->nodes[i];
        bool live = false;
        for (size_t k = 0; k < node->num_outputs; k++) {
            const struct entry *e = find(names, node->outputs[k]);
            live |= e && e->live;
        }
        for (size_t k = 0; live && k < node->num_inputs; k++) {
            struct entry *e = find(names, node->inputs[k]);
            if (e) {
                e->live = true;
            }
        }
    }
}

static s3e_rc bad_size(const struct s3e_onnx_port *port, size_t height,
    size_t width, const struct s3e_graph_options *options, struct s3e_err *err)
{
    return s3e_fail(err, S3E_E_INPUT,
        "input '%s' takes pictures of %zux%zu (height x width) and the recipe "
        "makes %zux%zu: set its size to the model's",
        port->name, height, width, options->height, options->width);
}

static s3e_rc check_port(const struct s3e_onnx_port *port, struct s3e_err *err)
{
    if (port->type != S3E_F32 || !port->has_shape || port->rank != 4) {
        return s3e_fail(err, S3E_E_FORMAT,
            "input '%s' is not a batch of pictures: float32 of 4 dimensions",
            port->name);
    }
    if (port->dims[0] > 1) {
        return s3e_fail(err, S3E_E_FORMAT,
            "input '%s' takes %lld pictures at once: export the model with a "
            "batch of 1, or a dynamic one",
            port->name, (long long)port->dims[0]);
    }
    return S3E_OK;
}

/* The input as batch 1, free sizes set to the recipe's. */
static s3e_rc open_input(struct s3e_build *build, struct entry *entry,
    const struct s3e_graph_options *options, struct s3e_err *err)
{
    const struct s3e_onnx_port *port = &build->onnx->inputs[entry->index];
    s3e_rc rc = check_port(port, err);
    if (rc) {
        return rc;
    }
    if (build->graph->input) {
        return s3e_fail(err, S3E_E_FORMAT,
            "the model has several inputs, '%s' among them; one picture is all "
            "there is",
            port->name);
    }
    const bool last = port->dims[3] == 3 && port->dims[1] != 3;
    if (!last && port->dims[1] != 3 && port->dims[1] != -1) {
        return s3e_fail(err, S3E_E_FORMAT,
            "input '%s' takes %lld channels; pictures have 3", port->name,
            (long long)port->dims[1]);
    }
    size_t dims[4] = {1, 3, options->height, options->width};
    if (last) {
        dims[1] = options->height;
        dims[2] = options->width;
        dims[3] = 3;
    }
    for (size_t i = 1; i < 4; i++) {
        if (port->dims[i] != -1 && (size_t)port->dims[i] != dims[i]) {
            const int64_t *fixed = port->dims + (last ? 1 : 2);
            return bad_size(port,
                fixed[0] < 0 ? options->height : (size_t)fixed[0],
                fixed[1] < 0 ? options->width : (size_t)fixed[1], options, err);
        }
    }
    struct s3e_shape shape;
    if (!s3e_shape_set(&shape, dims, 4) || shape.num > build->max_elements) {
        return s3e_fail(err, S3E_E_LIMIT,
            "pictures of %zux%zu are too large for a network", options->height,
            options->width);
    }
    rc = s3e_make_input(build, &entry->value, &shape, last ? 0 : 3, err);
    build->graph->input = entry->value;
    return rc;
}

static s3e_rc open_tensor(
    struct s3e_build *build, struct entry *entry, struct s3e_err *err)
{
    const struct s3e_onnx_tensor *t = &build->onnx->tensors[entry->index];
    if (!t->data) {
        return s3e_fail(err, S3E_E_FORMAT,
            "tensor '%s' is empty, or of a type (%d) that is not supported",
            t->name, t->stored_type);
    }
    build->graph->num_parameters += t->type == S3E_F32 ? t->shape.num : 0;
    return s3e_make_constant(
        build, &entry->value, t->type, &t->shape, t->data, err);
}

/* The value of the tensor called `name`, for the node `index` to read. */
static s3e_rc resolve(struct s3e_build *build, const struct names *names,
    struct s3e_value **out, const char *name, struct s3e_err *err)
{
    struct entry *entry = find(names, name);
    s3e_rc rc = S3E_OK;
    if (entry && !entry->value && entry->source == FROM_TENSOR) {
        rc = open_tensor(build, entry, err);
    }
    if (rc) {
        return rc;
    }
    *out = entry ? entry->value : NULL;
    return *out ? S3E_OK
                : s3e_fail(err, S3E_E_FORMAT,
                      "it reads tensor '%s', which nothing before it makes",
                      name);
}

static s3e_rc check_op(const struct s3e_call *call, struct s3e_err *err)
{
    const struct s3e_onnx_node *node = call->node;
    if (*node->domain && strcmp(node->domain, "ai.onnx") != 0) {
        return s3e_fail(err, S3E_E_FORMAT,
            "operators of domain %s are not supported: export the model "
            "without offline optimisation",
            node->domain);
    }
    if (!call->op) {
        return s3e_fail(err, S3E_E_FORMAT,
            "operator %s (opset %lld) is not supported", node->op,
            (long long)call->opset);
    }
    if (call->num_in < call->op->min_in || call->num_in > call->op->max_in) {
        return s3e_fail(err, S3E_E_FORMAT, "it has %zu inputs", call->num_in);
    }
    return s3e_attr_check(call, err);
}

static s3e_rc run_call(struct s3e_call *call, struct s3e_build *build,
    const struct names *names, struct s3e_err *err)
{
    const struct s3e_onnx_node *node = call->node;
    s3e_rc rc = check_op(call, err);
    for (size_t i = 0; !rc && i < node->num_inputs; i++) {
        if (*node->inputs[i]) {
            rc = resolve(build, names, &call->in[i], node->inputs[i], err);
        }
        if (!rc && i < call->op->min_in && !call->in[i]) {
            rc = s3e_fail(err, S3E_E_FORMAT, "its input %zu is missing", i);
        }
    }
    return rc ? rc : call->op->build(call, err);
}

static s3e_rc build_node(struct s3e_build *build, const struct names *names,
    const struct s3e_onnx_node *node, struct s3e_err *err)
{
    bool live = false;
    for (size_t k = 0; k < node->num_outputs; k++) {
        const struct entry *e = find(names, node->outputs[k]);
        live |= e && e->live;
    }
    if (!live) {
        return S3E_OK;
    }
    struct s3e_call call = {.build = build,
        .opset = build->onnx->opset,
        .node = node,
        .op = s3e_op_find(node->op),
        .num_in = node->num_inputs};
    call.in = s3e_zalloc_array(
        call.num_in + S3E_OP_INPUTS, sizeof(struct s3e_value *));
    s3e_rc rc = call.in ? run_call(&call, build, names, err)
                        : s3e_fail(err, S3E_E_NOMEM, "no memory for a node");
    s3e_free(call.in);
    if (rc) {
        return s3e_prefix(err, rc, "%.60s node '%.200s'", node->op,
            *node->name         ? node->name
            : node->num_outputs ? node->outputs[0]
                                : "");
    }
    /* Later outputs (a mask, indices) have no value: who reads them fails. */
    struct entry *first = find(names, node->outputs[0]);
    if (first) {
        first->value = call.out;
    }
    return S3E_OK;
}

static s3e_rc close_output(
    struct s3e_build *build, const struct entry *entry, struct s3e_err *err)
{
    struct s3e_graph *graph = build->graph;
    struct s3e_value *value = entry->value;
    if (!graph->input || !value || !value->maker) {
        return s3e_fail(err, S3E_E_FORMAT,
            "'%s', the output, is not computed from a picture", entry->name);
    }
    value->uses++;
    graph->output = value;
    return S3E_OK;
}

static s3e_rc build_all(struct s3e_build *build, struct names *names,
    const struct s3e_graph_options *options, struct s3e_err *err)
{
    const struct s3e_onnx *onnx = build->onnx;
    s3e_rc rc = collect_names(names, onnx, err);
    if (rc) {
        return rc;
    }
    struct entry *output = choose_output(names, onnx, options->output, err);
    if (!output) {
        return S3E_E_INPUT;
    }
    mark_live(names, onnx, output);
    for (size_t i = 0; !rc && i < names->num; i++) {
        struct entry *e = &names->entries[i];
        if (e->live && e->source == FROM_INPUT) {
            rc = open_input(build, e, options, err);
        }
    }
    for (size_t i = 0; !rc && i < onnx->num_nodes; i++) {
        rc = build_node(build, names, &onnx->nodes[i], err);
    }
    return rc ? rc : close_output(build, output, err);
}

s3e_rc s3e_graph_new(struct s3e_graph **out, const struct s3e_onnx *onnx,
    const struct s3e_graph_options *options, struct s3e_err *err)
{
    const size_t max =
        options->max_elements ? options->max_elements : S3E_TENSOR_MAX;
    struct s3e_build build = {
        .onnx = onnx, .max_elements = max, .elements_left = max};
    struct names names = {NULL, 0};
    *out = NULL;
    if (!S3E_NEW(build.graph)) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a graph");
    }
    s3e_rc rc = build_all(&build, &names, options, err);
    if (rc) {
        s3e_graph_free(build.graph);
    } else {
        s3e_graph_fuse(build.graph);
        *out = build.graph;
    }
    while (build.blocks) {
        struct s3e_build_block *next = build.blocks->next;
        s3e_free(build.blocks);
        build.blocks = next;
    }
    s3e_free(names.entries);
    return rc;
}

void s3e_node_free(struct s3e_node *node)
{
    s3e_free(node->name);
    s3e_free(node->weights);
    s3e_free(node->bias);
    s3e_free(node);
}

void s3e_graph_free(struct s3e_graph *graph)
{
    if (!graph) {
        return;
    }
    for (size_t i = 0; i < graph->num_nodes; i++) {
        s3e_node_free(graph->nodes[i]);
    }
    for (size_t i = 0; i < graph->num_values; i++) {
        s3e_free(graph->values[i]);
    }
    s3e_free(graph->nodes);
    s3e_free(graph->values);
    s3e_free(graph);
}

bool s3e_value_is_image(const struct s3e_value *value)
{
    const struct s3e_shape *shape = &value->shape;
    return shape->rank == 4 && shape->dims[0] == 1 &&
           value->chan == shape->dims[1];
}

void s3e_value_stored(struct s3e_shape *out, const struct s3e_value *value)
{
    const size_t *dims = value->shape.dims;
    bool ok = true;
    if (s3e_value_is_image(value)) {
        const size_t stored[] = {1, dims[2], dims[3], dims[1]};
        ok = s3e_shape_set(out, stored, 4);
    } else if (value->chan) {
        const size_t stored[] = {1, value->shape.num};
        ok = s3e_shape_set(out, stored, 2);
    } else if (value->shape.rank == 0) {
        ok = s3e_shape_set(out, (const size_t[]){1}, 1);
    } else {
        *out = value->shape;
    }
    (void)ok; /* a permutation of a shape that was checked */
}

size_t s3e_value_offset(const struct s3e_value *value, size_t i)
{
    if (!value->chan) {
        return i;
    }
    const size_t inner = value->shape.num / value->chan;
    return i % inner * value->chan + i / inner;
}
