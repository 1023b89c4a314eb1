# One warning list for every target of ours; -Werror is the presets' choice.
add_library(s3e_warnings INTERFACE)
target_compile_options(s3e_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
    -Wdouble-promotion -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wpointer-arith -Wcast-qual -Wcast-align
    -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough
    -Wnull-dereference -Wredundant-decls -Wfloat-equal
    $<$<C_COMPILER_ID:GNU>:-Wlogical-op -Wduplicated-cond
        -Wduplicated-branches -Wjump-misses-init -Wtrampolines>
    $<$<C_COMPILER_ID:Clang>:-Wcomma -Wunreachable-code
        -Wmissing-variable-declarations -Wassign-enum -Wshorten-64-to-32>)
