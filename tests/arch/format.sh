#!/bin/sh
# Every C file is as clang-format would leave it. Exit 77 (skipped) without clang-format.
cd "$(dirname "$0")/../.." || exit 2
command -v clang-format >/dev/null || { echo 'SKIP: no clang-format'; exit 77; }
clang-format -n -Werror $(ls base/*.[ch] s3vfs/*.[ch] nn/*.[ch] pipeline/*.[ch] ext/*.[ch] include/*.h tests/*.[ch] tests/*/*.[ch] 2>/dev/null)
