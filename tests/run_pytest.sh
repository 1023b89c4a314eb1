#!/bin/sh
# tests/run_pytest.sh FOLDER [ARGUMENT...]: its Python tests, in the environment that scripts/deps made.
cd "$(dirname "$0")/.." || exit 2
python=build/venv/bin/python
if [ ! -x $python ]; then
    echo "SKIP $1: no build/venv; scripts/deps test makes it"
    [ -z "$CI" ] || exit 1
    exit 77
fi
# Nothing of the caller's AWS set-up or proxy may reach the tests.
for name in $(env | sed -n 's/^\(AWS_[A-Z0-9_]*\)=.*/\1/p'); do unset "$name"; done
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY no_proxy NO_PROXY SSL_CERT_FILE CURL_CA_BUNDLE
AWS_CONFIG_FILE=/nonexistent AWS_SHARED_CREDENTIALS_FILE=/nonexistent AWS_EC2_METADATA_DISABLED=true
export AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE AWS_EC2_METADATA_DISABLED
export PYTHONDONTWRITEBYTECODE=1
# A module that AddressSanitizer watches needs its runtime ahead of python's allocator. Python itself leaks.
if nm -D "$S3E_MODULE" 2>/dev/null | grep -q __asan_init; then
    LD_PRELOAD=$(clang -print-file-name="libclang_rt.asan-$(uname -m).so")
    ASAN_OPTIONS=detect_leaks=0
    export LD_PRELOAD ASAN_OPTIONS
fi
folder=$1
shift
exec $python -m pytest -q -rs -p no:cacheprovider "tests/$folder" "$@"
