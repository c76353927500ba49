"""The generator of the facts tables: running it again changes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DATA = ROOT / "engine" / "vram_engine" / "facts" / "data"
TABLES = ("gpus.toml", "gpu_names.toml", "flags.toml")


def test_running_it_again_changes_nothing(tmp_path: Path) -> None:
    """Figures come from the collections, everything else from the tables as they stand."""
    facts = Path(os.environ.get("VRAM_LSP_SHARED") or ROOT.parent / "shared") / "facts"
    if not (facts / "gpus.json").exists():
        pytest.skip("no collection of raw facts; set VRAM_LSP_SHARED to a folder that has facts/gpus.json")
    for name in TABLES:
        shutil.copy(DATA / name, tmp_path)
    script = ROOT / "tests" / "tools" / "facts_from_research.py"
    sources = ("--gpus", facts / "gpus.json", "--flags", facts / "flags.json")
    subprocess.run([sys.executable, script, *sources, "--checked", "2026-11-24", "--into", tmp_path], check=True)
    for name in TABLES:
        assert (tmp_path / name).read_text("utf-8") == (DATA / name).read_text("utf-8"), name
