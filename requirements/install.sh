#!/bin/sh
# Makes a virtual environment and installs pinned packages into it: install.sh PYTHON VENV REQUIREMENTS
# A system's Python may come without the module that puts pip into a new environment (Debian), so the system's pip
# installs into it from outside.
set -eu
python=$1 venv=$2 requirements=$3

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Studbook needs Python 3.11 or newer, and '$python' is not; name another one: make PYTHON=python3.12" >&2
    exit 1
fi
if [ ! -x "$venv/bin/python" ]; then
    echo "making the environment in $venv"
    "$python" -m venv --without-pip "$venv"
fi
here=$(cd "$(dirname "$requirements")/.." && pwd)
if "$python" -m pip --python "$venv/bin/python" --version >/dev/null 2>&1; then
    pip="$python -m pip --python $venv/bin/python"
elif "$venv/bin/python" -m ensurepip >/dev/null 2>&1; then
    pip="$venv/bin/python -m pip"
else
    echo "no usable pip: install it (Debian: apt install python3-pip; version 22.3 or newer) and run make again" >&2
    exit 1
fi
echo "installing the packages of $requirements"
$pip --disable-pip-version-check install --quiet --require-hashes --requirement "$requirements"
$pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable "$here"
