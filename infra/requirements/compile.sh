#!/bin/sh
# Compile the three locks from the .in files, in pip's format with hashes and without download addresses.
set -eu
cd "$(dirname "$0")"
for name in dev all control; do
    [ "$name" = dev ] && constraint="" || constraint="--constraint dev.txt"
    # shellcheck disable=SC2086
    ../../.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --override overrides.txt $constraint --no-emit-index-url --no-annotate \
        --custom-compile-command "make lock" "$name.in" --output-file "$name.txt" >/dev/null
done
