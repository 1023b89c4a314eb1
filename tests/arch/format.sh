#!/bin/sh
# Every C file is as clang-format 14 would leave it: others break lines elsewhere. Exit 77 (skipped) without it.
cd "$(dirname "$0")/../.." || exit 2
clang-format --version 2>/dev/null | grep -q 'version 14\.' || { echo 'SKIP arch.format: clang-format is not version 14'; exit 77; }
clang-format -n -Werror $(ls base/*.[ch] s3vfs/*.[ch] nn/*.[ch] pipeline/*.[ch] ext/*.[ch] include/*.h tests/*.[ch] tests/*/*.[ch] 2>/dev/null)
