#!/bin/sh
# All checks and all tests. The first run installs into .venv; later runs need no network.
set -eu
cd "$(dirname "$0")/.."
sh tests/install.sh
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/python -m pytest "$@"
