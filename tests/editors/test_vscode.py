"""The extension in a real VS Code (code-server and Chromium), and its bundle's own tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

EXTENSION = Path(__file__).resolve().parent.parent.parent / "editors/vscode"
ASKED = os.environ.get("VRAM_LSP_EDITOR_TESTS")


def test_the_extension_works_in_a_real_vs_code():
    """Types, units and the session of test/e2e.mjs pass: squiggle, lens, hover, fix, completion, crash, settings."""
    if not ASKED:
        pytest.skip("VS Code is not tested here: VRAM_LSP_EDITOR_TESTS=1 does (Debian, root, 1.4 GB, 4 minutes more)")
    assert shutil.which("npm") is not None, "the extension is built with node and npm"
    done = subprocess.run(
        ["sh", str(EXTENSION / "test/run.sh")], capture_output=True, text=True, timeout=1500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
