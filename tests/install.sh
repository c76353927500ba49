#!/bin/sh
# Installs this checkout with its test tools into .venv; does nothing when that was done for this pyproject.toml.
set -eu
cd "$(dirname "$0")/.."
stamp=.venv/installed-for
if ! cmp -s pyproject.toml "$stamp"; then
  "${PYTHON:-python3}" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
  cp pyproject.toml "$stamp"
fi
