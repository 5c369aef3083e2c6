#!/usr/bin/env bash
# Generates gen/ (messages, services, type stubs) from protos/. `tools/generate.sh DIR` writes to DIR instead.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-gen}
rm -rf "$out/pagemesh" && mkdir -p "$out"
protoc() { .venv/bin/python -m grpc_tools.protoc -Iprotos "$@"; }
mapfile -t all < <(cd protos && find . -name '*.proto' | sort | sed 's|^\./||')
mapfile -t services < <(cd protos && grep -rl '^service ' . | sort | sed 's|^\./||')
protoc --plugin=protoc-gen-mypy=.venv/bin/protoc-gen-mypy --python_out="$out" --mypy_out="quiet:$out" "${all[@]}"
protoc --plugin=protoc-gen-mypy_grpc=.venv/bin/protoc-gen-mypy_grpc --grpc_python_out="$out" --mypy_grpc_out="quiet:$out" "${services[@]}"
find "$out/pagemesh" -type d -exec touch {}/__init__.py \;
