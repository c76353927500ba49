#!/bin/sh
# Builds vram-lsp.vsix: the extension's bundle, the page of the plan view, and the server's wheel for installing.
# Needs node 20 or newer with npm, and Python 3.11 or newer with venv.
set -eu
cd "$(dirname "$0")"
npm ci --silent
npx tsc --noEmit
npm run --silent bundle
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
"${PYTHON:-python3}" -m venv "$wheels/venv"
"$wheels/venv/bin/pip" wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist/server ../..
npm run --silent package
