#!/bin/sh
# Make s3embed's default model from the start: crops, honest run, its figures, release run, ONNX.
# About an hour on two cores.  Killed, it goes on where it was.
#
#     models/train.sh [--data DIR] [--teacher FILE] [--work DIR]
set -eu
here=$(dirname "$0")
python=${PYTHON:-python3}
data= teacher= work=$here/../build/model
set -- "$@" --
while [ "$1" != -- ]; do
    case $1 in
    --data) data=$2 ;;
    --teacher) teacher=$2 ;;
    --work) work=$2 ;;
    *) echo "train.sh: unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
done
: "${data:=$here/../../shared/data/grocery/train}"
: "${teacher:=$here/../../shared/models/mobilenet_v2_imagenet_f32.onnx}"

step() {
    "$python" "$here/train.py" "$@" --data "$data" --teacher "$teacher" --work "$work"
}
judge() {
    "$python" "$here/evaluate.py" "$@" --data "$data"
}

step crops
step honest
step export --run honest --out "$work/honest.onnx"
judge "$work/honest.onnx" "$teacher" --histogram --speed --json "$work/honest.json"
step release
step export
judge "$here/s3embed_default.onnx" --json "$work/release.json"
