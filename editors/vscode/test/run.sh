#!/bin/sh
# The extension's tests: types, units, and the whole of it in a real VS Code. The first run installs that (see setup.sh).
set -eu
cd "$(dirname "$0")/.."
sh test/setup.sh
sh ../../tests/install.sh
sh build.sh
npm test --silent
node test/planview.mjs
node test/e2e.mjs
node test/install.mjs
