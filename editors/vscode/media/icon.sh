#!/bin/sh
# Draws icon.png, which the gallery wants, from icon.svg, by a headless Chromium.
set -eu
cd "$(dirname "$0")"
"${CHROMIUM:-chromium}" --headless --no-sandbox --disable-gpu --hide-scrollbars --default-background-color=00000000 \
  --window-size=256,256 --screenshot=icon.png "file://$PWD/icon.svg" 2>/dev/null
