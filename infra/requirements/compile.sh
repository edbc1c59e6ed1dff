#!/bin/sh
# Compile the locks from the .in files, in pip's format with hashes and without download addresses.
set -eu
cd "$(dirname "$0")"
lock() {
    name=$1
    shift
    ../../.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes "$@" \
        --no-emit-index-url --no-annotate --custom-compile-command "make lock" "$name.in" --output-file "$name.txt" \
        >/dev/null
}
lock dev --override overrides.txt
for name in all control; do
    lock "$name" --override overrides.txt --constraint dev.txt
done
# What builds is locked, too, so that nothing is installed without a hash.
lock build --constraint dev.txt
# The peers of the benchmarks share what is installed for development, so only what is listed is locked.
lock bench --no-deps
lock writers
lock sbom
