#!/bin/sh
# The module exports its two entry points and nothing else, and its size is what we think. MODULE is $1.
want='sqlite3_sembed_init
sqlite3_sembednonet_init'
got=$(nm -D --defined-only "$1" | awk '$2 ~ /[A-Z]/ {print $3}' | grep -v '^__' | sort)
if [ "$got" != "$want" ]; then
    echo "exported: $got"
    exit 1
fi
echo "$1: $(stat -c %s "$1") bytes"
