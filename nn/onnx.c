#include "nn/onnx.h"

#include "base/mem.h"
#include "onnx.pb-c.h"

#include <assert.h>
#include <math.h>

#define FILE_MAX ((size_t)2000000000)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "raw tensors are little-endian, and used in place");

/* Numbers of TensorProto.DataType and AttributeProto.AttributeType. */
enum { FLOAT = 1, INT32 = 6, INT64 = 7, BOOL = 9, FLOAT16 = 10, DOUBLE = 11 };
enum { EXTERNAL = 1 }; /* TensorProto.DataLocation */

/* What protobuf-c may still take: a small file must not unfold into a large
 * message. Each block begins with its size, in BLOCK_HEAD bytes. */
struct budget {
    size_t left;
    bool spent; /* it was refused for this, not for lack of memory */
    bool nomem;
};

enum { BLOCK_HEAD = 16 };

struct s3e_onnx_parts {
    S3e__Model *model;
    struct budget budget;
    struct part *blocks; /* converted constants */
};

struct part {
    struct part *next;
    _Alignas(16) uint8_t bytes[];
};

static void *budget_alloc(void *data, size_t size)
{
    struct budget *budget = data;
    if (size > budget->left) {
        budget->spent = true;
        return NULL;
    }
    uint8_t *block = s3e_alloc_array(size + BLOCK_HEAD, 1);
    if (!block) {
        budget->nomem = true;
        return NULL;
    }
    budget->left -= size;
    memcpy(block, &size, sizeof size);
    return block + BLOCK_HEAD;
}

static void budget_free(void *data, void *ptr)
{
    struct budget *budget = data;
    if (ptr) {
        uint8_t *block = (uint8_t *)ptr - BLOCK_HEAD;
        size_t size = 0;
        memcpy(&size, block, sizeof size);
        budget->left += size;
        s3e_free(block);
    }
}

static ProtobufCAllocator allocator_of(struct budget *budget)
{
    return (ProtobufCAllocator){budget_alloc, budget_free, budget};
}

/* [num] elements of `size` bytes that live as long as `onnx`. */
static void *keep(struct s3e_onnx *onnx, size_t num, size_t size)
{
    if (num > (SIZE_MAX - sizeof(struct part)) / size) {
        return NULL;
    }
    struct part *part = s3e_alloc_array(num * size + sizeof *part, 1);
    if (!part) {
        return NULL;
    }
    memset(part->bytes, 0, num * size);
    part->next = onnx->parts->blocks;
    onnx->parts->blocks = part;
    return part->bytes;
}

static float half_to_float(uint16_t half)
{
    const int exponent = (half >> 10) & 31;
    const int fraction = half & 1023;
    float value;
    if (exponent == 31) {
        value = fraction ? NAN : INFINITY;
    } else if (exponent == 0) {
        value = ldexpf((float)fraction, -24);
    } else {
        value = ldexpf((float)(fraction + 1024), exponent - 25);
    }
    return half & 0x8000 ? -value : value;
}

/* Bytes of an element in raw_data; 0 for types we do not read. */
static size_t raw_size(int type)
{
    switch (type) {
    case FLOAT:
    case INT32:
        return 4;
    case INT64:
    case DOUBLE:
        return 8;
    case FLOAT16:
        return 2;
    case BOOL:
        return 1;
    default:
        return 0;
    }
}

static void widen_raw(void *to, const uint8_t *raw, int type, size_t num)
{
    float *f = to;
    int64_t *i = to;
    for (size_t k = 0; k < num; k++) {
        if (type == FLOAT16) {
            uint16_t half;
            memcpy(&half, raw + 2 * k, sizeof half);
            f[k] = half_to_float(half);
        } else if (type == DOUBLE) {
            double wide;
            memcpy(&wide, raw + 8 * k, sizeof wide);
            f[k] = (float)wide;
        } else if (type == INT32) {
            int32_t narrow;
            memcpy(&narrow, raw + 4 * k, sizeof narrow);
            i[k] = narrow;
        } else {
            i[k] = raw[k] != 0; /* BOOL */
        }
    }
}

/* int32_data holds what is narrower too. */
static void widen_int32s(void *to, const int32_t *from, int type, size_t num)
{
    float *f = to;
    int64_t *i = to;
    for (size_t k = 0; k < num; k++) {
        if (type == FLOAT16) {
            f[k] = half_to_float((uint16_t)from[k]);
        } else {
            i[k] = type == BOOL ? from[k] != 0 : from[k];
        }
    }
}

static s3e_rc bad_count(const S3e__Tensor *from, size_t got,
    const struct s3e_shape *shape, struct s3e_err *err)
{
    return s3e_fail(err, S3E_E_FORMAT,
        "tensor '%s' of %s elements holds %zu: the file is damaged",
        from->name ? from->name : "", s3e_shape_print(shape).s, got);
}

/* From the typed lists of the message. */
static s3e_rc read_lists(struct s3e_onnx *onnx, struct s3e_onnx_tensor *out,
    const S3e__Tensor *from, struct s3e_err *err)
{
    const size_t num = out->shape.num;
    const int type = from->data_type;
    const size_t got = type == FLOAT    ? from->n_float_data
                       : type == INT64  ? from->n_int64_data
                       : type == DOUBLE ? from->n_double_data
                                        : from->n_int32_data;
    if (got != num) {
        return bad_count(from, got, &out->shape, err);
    }
    if (type == FLOAT || type == INT64) {
        out->data = type == FLOAT ? (const void *)from->float_data
                                  : (const void *)from->int64_data;
        return S3E_OK;
    }
    void *to = keep(onnx, num, sizeof(int64_t));
    if (!to) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a tensor");
    }
    if (type == DOUBLE) {
        for (size_t k = 0; k < num; k++) {
            ((float *)to)[k] = (float)from->double_data[k];
        }
    } else {
        widen_int32s(to, from->int32_data, type, num);
    }
    out->data = to;
    return S3E_OK;
}

static s3e_rc read_raw(struct s3e_onnx *onnx, struct s3e_onnx_tensor *out,
    const S3e__Tensor *from, struct s3e_err *err)
{
    const size_t num = out->shape.num;
    const size_t size = raw_size(from->data_type);
    assert(size > 0); /* else it is of S3E_TYPE_OTHER */
    if (from->raw_data.len % size || from->raw_data.len / size != num) {
        return bad_count(from, from->raw_data.len / size, &out->shape, err);
    }
    if (from->data_type == FLOAT || from->data_type == INT64) {
        out->data = from->raw_data.data; /* a block of its own: aligned */
        return S3E_OK;
    }
    void *to = keep(onnx, num, sizeof(int64_t));
    if (!to) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a tensor");
    }
    widen_raw(to, from->raw_data.data, from->data_type, num);
    out->data = to;
    return S3E_OK;
}

static enum s3e_type type_of(int type)
{
    const bool real = type == FLOAT || type == FLOAT16 || type == DOUBLE;
    return real ? S3E_F32 : raw_size(type) ? S3E_I64 : S3E_TYPE_OTHER;
}

static s3e_rc read_tensor(struct s3e_onnx *onnx, struct s3e_onnx_tensor *out,
    const S3e__Tensor *from, struct s3e_err *err)
{
    out->name = from->name ? from->name : "";
    out->stored_type = from->data_type;
    if (from->data_location == EXTERNAL) {
        return s3e_fail(err, S3E_E_INPUT,
            "tensor '%s' is in another file than the model: export it whole "
            "with torch.onnx.export(..., external_data=False), or rewrite it "
            "with onnx.save(onnx.load(path), new_path)",
            out->name);
    }
    size_t dims[S3E_RANK_MAX] = {0};
    for (size_t i = 0; i < from->n_dims && i < S3E_RANK_MAX; i++) {
        dims[i] = from->dims[i] < 0 ? 0 : (size_t)from->dims[i];
    }
    out->type = type_of(from->data_type);
    if (!s3e_shape_set(&out->shape, dims, from->n_dims)) {
        /* Empty tensors stand for "not given": an error only where used. */
        out->type = S3E_TYPE_OTHER;
        return S3E_OK;
    }
    if (out->type == S3E_TYPE_OTHER) {
        return S3E_OK;
    }
    return from->has_raw_data ? read_raw(onnx, out, from, err)
                              : read_lists(onnx, out, from, err);
}

static s3e_rc read_attr(struct s3e_onnx *onnx, struct s3e_onnx_attr *out,
    const S3e__Attribute *from, struct s3e_err *err)
{
    static const char types[] = "?fist?FI"; /* by AttributeType */
    out->name = from->name ? from->name : "";
    const bool known = from->type > 0 && from->type < (int)sizeof types - 1;
    out->type = types[known ? from->type : 0];
    out->i = from->i;
    out->f = from->f;
    out->s = (struct s3e_span){from->s.data, from->s.len};
    out->ints = from->ints;
    out->floats = from->floats;
    out->num = out->type == 'I' ? from->n_ints : from->n_floats;
    if (out->type != 't') {
        return S3E_OK;
    }
    struct s3e_onnx_tensor *t = keep(onnx, 1, sizeof *t);
    if (!t) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for an attribute");
    }
    out->t = t;
    if (!from->t) {
        return s3e_fail(
            err, S3E_E_FORMAT, "attribute '%s' has no tensor", out->name);
    }
    return read_tensor(onnx, t, from->t, err);
}

static s3e_rc read_node(struct s3e_onnx *onnx, struct s3e_onnx_node *out,
    const S3e__Node *from, struct s3e_err *err)
{
    out->name = from->name ? from->name : "";
    out->op = from->op_type ? from->op_type : "";
    out->domain = from->domain ? from->domain : "";
    out->inputs = from->input;
    out->outputs = from->output;
    out->num_inputs = from->n_input;
    out->num_outputs = from->n_output;
    out->attrs = keep(onnx, from->n_attribute, sizeof *out->attrs);
    if (!out->attrs) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a node");
    }
    out->num_attrs = from->n_attribute;
    for (size_t i = 0; i < from->n_attribute; i++) {
        const s3e_rc rc =
            read_attr(onnx, &out->attrs[i], from->attribute[i], err);
        if (rc) {
            return s3e_prefix(err, rc, "%s node '%s'", out->op, out->name);
        }
    }
    return S3E_OK;
}

static void read_port(struct s3e_onnx_port *out, const S3e__ValueInfo *from)
{
    out->name = from->name ? from->name : "";
    const S3e__TensorType *type = from->type ? from->type->tensor_type : NULL;
    out->type = type ? type_of(type->elem_type) : S3E_TYPE_OTHER;
    out->has_shape = type && type->shape;
    out->rank = out->has_shape ? type->shape->n_dim : 0;
    for (size_t i = 0; i < out->rank && i < S3E_RANK_MAX; i++) {
        const S3e__Dimension *dim = type->shape->dim[i];
        out->dims[i] =
            dim->has_dim_value && dim->dim_value >= 0 ? dim->dim_value : -1;
    }
}

static s3e_rc check_counts(const S3e__Graph *graph, struct s3e_err *err)
{
    if (graph->n_node > S3E_ONNX_NODES_MAX) {
        return s3e_fail(err, S3E_E_LIMIT, "the model has %zu nodes; %d at most",
            graph->n_node, (int)S3E_ONNX_NODES_MAX);
    }
    if (graph->n_initializer > S3E_ONNX_TENSORS_MAX ||
        graph->n_input > S3E_ONNX_TENSORS_MAX ||
        graph->n_output > S3E_ONNX_TENSORS_MAX) {
        return s3e_fail(err, S3E_E_LIMIT,
            "the model has more than %d constants, inputs or outputs",
            (int)S3E_ONNX_TENSORS_MAX);
    }
    return S3E_OK;
}

static s3e_rc read_opset(
    struct s3e_onnx *onnx, const S3e__Model *model, struct s3e_err *err)
{
    if (!model->graph || !model->n_opset_import) {
        return s3e_fail(
            err, S3E_E_FORMAT, "not an ONNX model: it has no graph");
    }
    for (size_t i = 0; i < model->n_opset_import; i++) {
        const char *domain = model->opset_import[i]->domain;
        if (!domain || !*domain || strcmp(domain, "ai.onnx") == 0) {
            onnx->opset = model->opset_import[i]->version;
        }
    }
    if (onnx->opset < S3E_ONNX_OPSET_MIN || onnx->opset > S3E_ONNX_OPSET_MAX) {
        return s3e_fail(err, S3E_E_FORMAT,
            "the model uses opset %lld; opsets %d to %d are understood: export "
            "it with opset_version=17",
            (long long)onnx->opset, (int)S3E_ONNX_OPSET_MIN,
            (int)S3E_ONNX_OPSET_MAX);
    }
    return S3E_OK;
}

static s3e_rc read_graph(
    struct s3e_onnx *onnx, const S3e__Graph *graph, struct s3e_err *err)
{
    s3e_rc rc = check_counts(graph, err);
    if (rc) {
        return rc;
    }
    onnx->num_nodes = graph->n_node;
    onnx->num_tensors = graph->n_initializer;
    onnx->num_inputs = graph->n_input;
    onnx->num_outputs = graph->n_output;
    onnx->nodes = keep(onnx, onnx->num_nodes, sizeof *onnx->nodes);
    onnx->tensors = keep(onnx, onnx->num_tensors, sizeof *onnx->tensors);
    onnx->inputs = keep(onnx, onnx->num_inputs, sizeof *onnx->inputs);
    onnx->outputs = keep(onnx, onnx->num_outputs, sizeof *onnx->outputs);
    if (!onnx->nodes || !onnx->tensors || !onnx->inputs || !onnx->outputs) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a model");
    }
    for (size_t i = 0; !rc && i < onnx->num_tensors; i++) {
        rc = read_tensor(onnx, &onnx->tensors[i], graph->initializer[i], err);
    }
    for (size_t i = 0; !rc && i < onnx->num_nodes; i++) {
        rc = read_node(onnx, &onnx->nodes[i], graph->node[i], err);
    }
    for (size_t i = 0; i < onnx->num_inputs; i++) {
        read_port(&onnx->inputs[i], graph->input[i]);
    }
    for (size_t i = 0; i < onnx->num_outputs; i++) {
        read_port(&onnx->outputs[i], graph->output[i]);
    }
    return rc;
}

static s3e_rc unpack(
    struct s3e_onnx *onnx, struct s3e_span file, struct s3e_err *err)
{
    struct budget *budget = &onnx->parts->budget;
    budget->left = ((size_t)16 << 20) + 12 * file.len;
    ProtobufCAllocator allocator = allocator_of(budget);
    onnx->parts->model = s3e__model__unpack(&allocator, file.len, file.ptr);
    if (onnx->parts->model) {
        return S3E_OK;
    }
    if (budget->nomem) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a model");
    }
    if (budget->spent) {
        return s3e_fail(err, S3E_E_LIMIT,
            "the model's %zu bytes unfold into more than 12 times as many",
            file.len);
    }
    return s3e_fail(err, S3E_E_FORMAT,
        "not an ONNX model, or cut short: %zu bytes that are no protobuf",
        file.len);
}

s3e_rc s3e_onnx_read(
    struct s3e_onnx *out, struct s3e_span file, struct s3e_err *err)
{
    *out = (struct s3e_onnx){0};
    if (file.len > FILE_MAX) {
        return s3e_fail(err, S3E_E_LIMIT,
            "the model has %zu bytes; %zu at most", file.len, FILE_MAX);
    }
    if (!S3E_NEW(out->parts)) {
        return s3e_fail(err, S3E_E_NOMEM, "no memory for a model");
    }
    s3e_rc rc = unpack(out, file, err);
    if (!rc) {
        rc = read_opset(out, out->parts->model, err);
    }
    if (!rc) {
        rc = read_graph(out, out->parts->model->graph, err);
    }
    if (rc) {
        s3e_onnx_deinit(out);
    }
    return rc;
}

void s3e_onnx_deinit(struct s3e_onnx *onnx)
{
    if (onnx->parts) {
        for (struct part *p = onnx->parts->blocks, *next; p; p = next) {
            next = p->next;
            s3e_free(p);
        }
        if (onnx->parts->model) {
            ProtobufCAllocator allocator = allocator_of(&onnx->parts->budget);
            s3e__model__free_unpacked(onnx->parts->model, &allocator);
        }
        s3e_free(onnx->parts);
    }
    *onnx = (struct s3e_onnx){0};
}

const char *s3e_onnx_version(void)
{
    return protobuf_c_version();
}
