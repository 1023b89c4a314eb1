#include "tests/onnx_build.h"

#include "tests/harness.h"

#define ROOM ((size_t)64 << 20)

/* A list "a b" or "1,2" piece by piece. */
static bool next(const char **at, char piece[200], const char *separator)
{
    *at += strspn(*at, separator);
    const size_t len = strcspn(*at, separator);
    CHECK(len < 200);
    memcpy(piece, *at, len);
    piece[len] = '\0';
    *at += len;
    return len > 0;
}

void wire_varint(struct s3e_buf *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        s3e_buf_add_byte(to, (uint8_t)(value | 0x80));
    }
    s3e_buf_add_byte(to, (uint8_t)value);
}

void wire_int(struct s3e_buf *to, int field, int64_t value)
{
    wire_varint(to, (uint64_t)field << 3);
    wire_varint(to, (uint64_t)value);
}

void wire_bytes(struct s3e_buf *to, int field, struct s3e_span bytes)
{
    wire_varint(to, ((uint64_t)field << 3) | 2);
    wire_varint(to, bytes.len);
    s3e_buf_add(to, bytes);
}

static void wire_text(struct s3e_buf *to, int field, const char *text)
{
    wire_bytes(to, field, s3e_span_str(text));
}

static void wire_float(struct s3e_buf *to, int field, float value)
{
    wire_varint(to, ((uint64_t)field << 3) | 5);
    s3e_buf_add(to, (struct s3e_span){(const uint8_t *)&value, sizeof value});
}

/* Adds `inner` as a message, and frees it. */
static void wire_message(struct s3e_buf *to, int field, struct s3e_buf *inner)
{
    wire_bytes(to, field, s3e_buf_span(inner));
    s3e_buf_free(inner);
}

struct onnx_build onnx_new(int opset)
{
    return (struct onnx_build){
        .graph = S3E_BUF(ROOM), .file = S3E_BUF(ROOM), .opset = opset};
}

void onnx_free(struct onnx_build *b)
{
    s3e_buf_free(&b->graph);
    s3e_buf_free(&b->file);
}

void onnx_input_of(
    struct onnx_build *b, const char *name, const char *dims, int type)
{
    struct s3e_buf shape = S3E_BUF(ROOM), tensor = S3E_BUF(ROOM);
    struct s3e_buf of = S3E_BUF(ROOM), info = S3E_BUF(ROOM);
    char piece[200];
    while (next(&dims, piece, ",")) {
        struct s3e_buf dim = S3E_BUF(ROOM);
        if (strspn(piece, "-0123456789") == strlen(piece)) {
            wire_int(&dim, 1, strtoll(piece, NULL, 10));
        } else {
            wire_text(&dim, 2, piece);
        }
        wire_message(&shape, 1, &dim);
    }
    wire_int(&tensor, 1, type);
    wire_message(&tensor, 2, &shape);
    wire_message(&of, 1, &tensor);
    wire_text(&info, 1, name);
    wire_message(&info, 2, &of);
    wire_message(&b->graph, 11, &info);
}

void onnx_input(struct onnx_build *b, const char *name, const char *dims)
{
    onnx_input_of(b, name, dims, 1);
}

void onnx_output(struct onnx_build *b, const char *name)
{
    struct s3e_buf info = S3E_BUF(ROOM);
    wire_text(&info, 1, name);
    wire_message(&b->graph, 12, &info);
}

/* Writes dims and returns their product. */
static size_t wire_dims(struct s3e_buf *to, const char *dims)
{
    char piece[200];
    size_t num = 1;
    while (next(&dims, piece, ",")) {
        const int64_t dim = strtoll(piece, NULL, 10);
        wire_int(to, 1, dim);
        num *= (size_t)dim;
    }
    return num;
}

void onnx_raw(struct onnx_build *b, const char *name, const char *dims,
    int type, struct s3e_span raw)
{
    struct s3e_buf tensor = S3E_BUF(ROOM);
    (void)wire_dims(&tensor, dims);
    wire_int(&tensor, 2, type);
    wire_text(&tensor, 8, name);
    wire_bytes(&tensor, 9, raw);
    wire_message(&b->graph, 5, &tensor);
}

void onnx_floats(
    struct onnx_build *b, const char *name, const char *dims, const float *data)
{
    struct s3e_buf unused = S3E_BUF(ROOM);
    const size_t num = wire_dims(&unused, dims);
    s3e_buf_free(&unused);
    onnx_raw(b, name, dims, 1,
        (struct s3e_span){(const uint8_t *)data, num * sizeof *data});
}

void onnx_ints(struct onnx_build *b, const char *name, const char *dims,
    const int64_t *data)
{
    struct s3e_buf tensor = S3E_BUF(ROOM), list = S3E_BUF(ROOM);
    const size_t num = wire_dims(&tensor, dims);
    for (size_t i = 0; i < num; i++) {
        wire_varint(&list, (uint64_t)data[i]);
    }
    wire_int(&tensor, 2, 7);
    wire_message(&tensor, 7, &list);
    wire_text(&tensor, 8, name);
    wire_message(&b->graph, 5, &tensor);
}

/* "7:3,4" as a tensor [2] of int64, "1:0.5" as one of float. */
static void wire_tensor(struct s3e_buf *attr, const char *text)
{
    struct s3e_buf tensor = S3E_BUF(ROOM), list = S3E_BUF(ROOM);
    char *values;
    const long type = strtol(text, &values, 10);
    char piece[200];
    int num = 0;
    for (const char *at = values + 1; next(&at, piece, ",");) {
        if (type == 7) {
            wire_varint(&list, (uint64_t)strtoll(piece, NULL, 10));
        } else {
            const float value = strtof(piece, NULL);
            s3e_buf_add(&list,
                (struct s3e_span){(const uint8_t *)&value, sizeof value});
        }
        num++;
    }
    wire_int(&tensor, 1, num);
    wire_int(&tensor, 2, type);
    wire_message(&tensor, type == 7 ? 7 : 4, &list);
    wire_message(attr, 5, &tensor);
}

static void wire_attr(struct s3e_buf *node, char *text)
{
    static const char types[] = "?fist?FI";
    struct s3e_buf attr = S3E_BUF(ROOM);
    char *type = strchr(text, ':'), *value = strchr(text, '=');
    char piece[200];
    CHECK(type && value);
    *type++ = '\0';
    *value++ = '\0';
    wire_text(&attr, 1, text);
    const char *at = value;
    switch (*type) {
    case 'i':
        wire_int(&attr, 3, strtoll(value, NULL, 10));
        break;
    case 'f':
        wire_float(&attr, 2, strtof(value, NULL));
        break;
    case 's':
        wire_text(&attr, 4, value);
        break;
    case 't':
        wire_tensor(&attr, value);
        break;
    case 'F':
        while (next(&at, piece, ",")) {
            wire_float(&attr, 7, strtof(piece, NULL));
        }
        break;
    default:
        while (next(&at, piece, ",")) {
            wire_int(&attr, 8, strtoll(piece, NULL, 10));
        }
        break;
    }
    const char *number = strchr(types, *type);
    CHECK(number != NULL);
    wire_int(&attr, 20, number - types);
    wire_message(node, 5, &attr);
}

void onnx_node_in(struct onnx_build *b, const char *domain, const char *op,
    const char *inputs, const char *outputs, const char *attrs)
{
    struct s3e_buf node = S3E_BUF(ROOM);
    char piece[200];
    while (next(&inputs, piece, " ")) {
        wire_text(&node, 1, strcmp(piece, "-") == 0 ? "" : piece);
    }
    while (next(&outputs, piece, " ")) {
        wire_text(&node, 2, piece);
    }
    wire_text(&node, 4, op);
    while (next(&attrs, piece, " ")) {
        wire_attr(&node, piece);
    }
    wire_text(&node, 7, domain);
    wire_message(&b->graph, 1, &node);
}

void onnx_node(struct onnx_build *b, const char *op, const char *inputs,
    const char *outputs, const char *attrs)
{
    onnx_node_in(b, "", op, inputs, outputs, attrs);
}

struct s3e_span onnx_file(struct onnx_build *b)
{
    struct s3e_buf opset = S3E_BUF(ROOM);
    struct s3e_err err;
    s3e_buf_clear(&b->file);
    wire_int(&b->file, 1, 8);
    wire_int(&opset, 2, b->opset);
    wire_message(&b->file, 8, &opset);
    wire_bytes(&b->file, 7, s3e_buf_span(&b->graph));
    CHECK_RC(s3e_buf_check(&b->file, "file", &err), S3E_OK, &err);
    return s3e_buf_span(&b->file);
}
