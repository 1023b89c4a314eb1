/* ext/fn_debug.c - s3embed_version, s3embed_debug: what a report of a fault
 * should begin with. Nothing of it is secret. */
#include "base/buf.h"
#include "base/cpu.h"
#include "ext/connection.h"
#include "ext/functions.h"
#include "ext/options.h"
#include "include/s3embed.h"
#include "nn/jpeg.h"
#include "nn/model.h"
#include "nn/onnx.h"
#include "pipeline/engine.h"
#include "s3vfs/http.h"
#include "s3vfs/xml.h"

enum { JSON_MAX = 1 << 14, TEXT_MAX = 1024 };

void s3e_fn_version(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc, (void)argv;
    sqlite3_result_text(ctx, S3EMBED_VERSION, -1, SQLITE_STATIC);
}

static void add_text(struct s3e_buf *json, const char *name, const char *text)
{
    s3e_buf_printf(json, "%s\"%s\":", json->len > 1 ? "," : "", name);
    s3e_buf_add_json(json, s3e_span_str(text));
}

static void add_number(struct s3e_buf *json, const char *name, int number)
{
    s3e_buf_printf(json, ",\"%s\":%d", name, number);
}

static void write_json(struct s3e_buf *json)
{
    char text[TEXT_MAX];
    s3e_buf_add_byte(json, '{');
    add_text(json, "s3embed", S3EMBED_VERSION);
    add_text(json, "compiler", __VERSION__);
    add_text(json, "sqlite", sqlite3_libversion());
    add_text(json, "sqlite_headers", SQLITE_VERSION);
    s3e_http_describe(text, sizeof text);
    add_text(json, "http", text);
    s3e_model_describe(text, sizeof text);
    add_text(json, "xnnpack", text);
    add_text(json, "protobuf_c", s3e_onnx_version());
    add_text(json, "jpeg", s3e_jpeg_version());
    add_text(json, "expat", s3e_xml_version());
    add_text(json, "jansson", s3e_options_version());
    s3e_cpu_describe(text, sizeof text);
    add_text(json, "cpu", text);
    add_number(json, "cpus", s3e_cpu_count());
    add_number(json, "threads", s3e_engine_threads());
    s3e_buf_add_byte(json, '}');
}

void s3e_fn_debug(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc, (void)argv;
    struct s3e_err err;
    struct s3e_buf json = S3E_BUF(JSON_MAX);
    write_json(&json);
    const s3e_rc rc = s3e_buf_check(&json, "the answer", &err);
    if (rc) {
        s3e_result_fail(ctx, s3e_connection_of(ctx), "s3embed_debug", NULL,
            S3E_OF_STATEMENT, rc, &err);
    } else {
        sqlite3_result_text64(ctx, (const char *)json.ptr, json.len,
            SQLITE_TRANSIENT, SQLITE_UTF8);
        sqlite3_result_subtype(ctx, S3E_SUBTYPE_JSON);
    }
    s3e_buf_free(&json);
}
