#!/bin/sh
# Renews the pinned packages. The files name versions and hashes only, so that any registry can serve them.
set -eu
pin() {
    output=$1
    shift
    "$BIN/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
        --custom-compile-command "make lock" --output-file "requirements/$output" "$@"
}
pin dev.txt pyproject.toml --all-extras --group dev
pin demo.txt pyproject.toml --extra server --extra demo --group build --constraint requirements/dev.txt
pin server.txt pyproject.toml --extra server --constraint requirements/dev.txt
