/* The files of models/ as read-only bytes, for default_model.c. */
    .section .rodata
    .balign 16
    .globl s3e_default_onnx, s3e_default_onnx_end
    .hidden s3e_default_onnx, s3e_default_onnx_end
s3e_default_onnx:
    .incbin "s3embed_default.onnx"
s3e_default_onnx_end:
    .balign 16
    .globl s3e_default_json, s3e_default_json_end
    .hidden s3e_default_json, s3e_default_json_end
s3e_default_json:
    .incbin "preprocessor_config.json"
s3e_default_json_end:
    .section .note.GNU-stack, "", %progbits
