#!/bin/sh
# Installs vram-lsp into .venv the first time, then analyses the examples. Needs Python 3.11 with venv and pip.
set -eu
cd "$(dirname "$0")/.."
sh tests/install.sh
.venv/bin/vram-lsp check examples || [ $? -eq 1 ]
