#!/bin/sh
# Who may include whom, which third party may appear where, what may be called. Each rule is a line below.
cd "$(dirname "$0")/../.." || exit 2
bad=0

# deny MESSAGE PATTERN FILE...: PATTERN (extended) stands in none of the files
deny() {
    message=$1 pattern=$2
    shift 2
    [ $# -gt 0 ] || return 0
    hits=$(grep -nE "$pattern" "$@" /dev/null) || return 0
    echo "$hits" | sed "s|^|$message: |"
    bad=1
}

# of FOLDER...: its sources, less the files that follow "--"
of() {
    folders='' skip=' '
    while [ $# -gt 0 ] && [ "$1" != -- ]; do folders="$folders $1"; shift; done
    [ $# -gt 0 ] && shift
    for f in "$@"; do skip="$skip$f "; done
    for f in $(ls $(for d in $folders; do echo "$d/*.[ch]"; done) 2>/dev/null); do
        case $skip in *" $f "*) ;; *) echo "$f" ;; esac
    done
}
all='base s3vfs nn pipeline ext'

# Folders: ext -> pipeline, nn, s3vfs, base; the other three -> base alone.
deny 'base/ includes none of ours' '#[ ]*include "(s3vfs|nn|pipeline|ext)/' $(of base)
deny 's3vfs/ includes base/ alone' '#[ ]*include "(nn|pipeline|ext)/' $(of s3vfs)
deny 'nn/ includes base/ alone' '#[ ]*include "(s3vfs|pipeline|ext)/' $(of nn)
deny 'pipeline/ includes base/ alone' '#[ ]*include "(s3vfs|nn|ext)/' $(of pipeline)

# Third parties: one door each.
third() { # third HEADER-PATTERN ALLOWED...
    pattern=$1
    shift
    deny "only in $*" "#[ ]*include [<\"]$pattern" $(of $all -- "$@")
}
third 'sqlite3' $(of ext)
third 'curl/' s3vfs/http.c
third 'openssl/' s3vfs/digest.c
third 'expat' s3vfs/xml.c
third 'xnnpack' nn/lower.c nn/session.c nn/xnn.c
third '(jpeglib|turbojpeg|jerror)' nn/jpeg.c
third 'protobuf-c' nn/onnx.c nn/onnx.h
third 'jansson' nn/recipe.c ext/options.c s3vfs/cred_json.c
third 'pthread' base/sync.c base/sync.h
third 'unistd|#include <fcntl' base/file.c base/cpu.c base/sync.c s3vfs/dir_store.c s3vfs/io_thread.c s3vfs/ca.c pipeline/pool.c pipeline/engine.c s3vfs/uri.c s3vfs/walk.c pipeline/window.c

# Calls: one allocator; nothing unbounded; a library neither prints nor ends its host.
sources=$(of $all -- base/mem.c)
deny 'use base/mem' '[^_a-z>.](malloc|calloc|realloc|free|strdup|strndup|asprintf|vasprintf)\(' $sources
deny 'unbounded' '[^_a-z](strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca)\(' $sources
deny 'not for a library' '[^_a-z](exit|_exit|printf|puts|perror|system)\(|[^_a-z]fprintf\(' $(of $all)
deny 'abort is base/sync.c'\''s alone' '[^_a-z]abort\(' $(of $all -- base/sync.c)

# A file's name is unique in the tree, and no file is a giant.
twice=$(for f in $(of $all); do basename "$f"; done | sort | uniq -d)
[ -z "$twice" ] || { echo "two files of one name: $twice"; bad=1; }
for f in $(of $all tests/unit tests/fuzz); do
    lines=$(wc -l <"$f")
    [ "$lines" -le 800 ] || { echo "$f: $lines lines; the gate is 800: which concept is missing?"; bad=1; }
done
exit $bad
