#include "nn/default_model.h"

/* default_model.S; S3E_DEFAULT_SHA256 is CMake's. */
extern const uint8_t s3e_default_onnx[], s3e_default_onnx_end[];
extern const uint8_t s3e_default_json[], s3e_default_json_end[];

struct s3e_span s3e_default_model(void)
{
    return (struct s3e_span){
        s3e_default_onnx, (size_t)(s3e_default_onnx_end - s3e_default_onnx)};
}

struct s3e_span s3e_default_recipe(void)
{
    return (struct s3e_span){
        s3e_default_json, (size_t)(s3e_default_json_end - s3e_default_json)};
}

const char *s3e_default_sha256(void)
{
    return S3E_DEFAULT_SHA256;
}
