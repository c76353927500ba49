"""The vLLM at hand: found by the name of a folder, weaker than everybody who says a version."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from vram_engine.analysis import Context, analyse
from vram_engine.facts.versions import NEWEST
from vram_engine.sources.python_environment import vllm_at_hand, vllm_in
from vram_engine.view.summary import version_words

PACKAGES = "lib/python3.12/site-packages"


def environment(folder, *names, packages=PACKAGES):
    """A Python environment with these metadata folders."""
    for name in names:
        (folder / packages / name).mkdir(parents=True)
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "bin/python").write_text("raise SystemExit('nobody may start this')")
    return folder


@pytest.mark.parametrize(
    ("names", "version"),
    [
        (["vllm-0.9.2.dist-info"], "0.9.2"),
        (["vllm-0.10.1.1+cu126.dist-info", "torch-2.7.1.dist-info"], None),
        (["vllm-0.11.0rc2.dev12+gabc.dist-info"], "0.11.0"),
        (["vllm_ascend-0.9.1.dist-info", "vllm"], None),
        (["vllm-0.9.2.dist-info", "vllm-0.10.0.dist-info"], None),
        (["vllm-latest.dist-info"], None),
        ([], None),
    ],
)
def test_a_release_is_in_the_name_of_the_metadata(tmp_path, names, version):
    """Suffixes are dropped as everywhere; two of them, or one that names no release, say nothing."""
    found = vllm_in(environment(tmp_path / "env", *names))
    assert found == (None if version is None else tuple(map(int, version.split("."))))


def test_environments_by_folder_interpreter_and_on_windows(tmp_path):
    """The setting may name either, and Windows keeps packages elsewhere."""
    posix = environment(tmp_path / "a", "vllm-0.9.2.dist-info")
    windows = environment(tmp_path / "b", "vllm-0.9.1.dist-info", packages="Lib/site-packages")
    assert vllm_in(posix / "bin/python") == vllm_in(posix) == (0, 9, 2)
    assert vllm_in(windows) == (0, 9, 1)


def test_the_order_of_environments(tmp_path):
    """The user's own choice is the only one; then the active environment, then the workspace's."""
    named = environment(tmp_path / "named", "vllm-0.9.1.dist-info")
    active = environment(tmp_path / "active", "vllm-0.9.2.dist-info")
    environment(tmp_path / "work/.venv", "vllm-0.10.0.dist-info")
    folders = (tmp_path / "work",)

    def found(name, variables):
        return [(each.value.value, each.origin, each.spelling) for each in vllm_at_hand(name, folders, variables)]

    both = {"VIRTUAL_ENV": str(active)}
    assert found(str(named), both) == [("0.9.1", "detected", "vramLsp.python")]
    assert found("", both) == [("0.9.2", "detected", "VIRTUAL_ENV")]
    assert found("", {}) == [("0.10.0", "detected", ".venv")]
    assert found(str(tmp_path / "nothing"), both) == []
    assert found("\0", both) == []


HEAD = "# vram: gpu=l4\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "model: Qwen/Qwen2.5-0.5B\nmax-model-len: 4096\n", "0.9.2 (found in .venv)"),
        ("# vram: gpu=l4 vllm=0.10.0\nmodel: Qwen/Qwen2.5-0.5B\nmax-model-len: 4096\n", "0.10.0"),
        (
            HEAD + "services:\n  v:\n    image: vllm/vllm-openai:latest\n    command: --model Qwen/Qwen2.5-0.5B\n",
            f"{NEWEST} (assumed)",
        ),
        (
            HEAD + "services:\n  v:\n    image: vllm/vllm-openai:v0.10.1\n    command: --model Qwen/Qwen2.5-0.5B\n",
            "0.10.1",
        ),
    ],
)
def test_everybody_else_is_heard_first(tmp_path, text, words):
    """A comment and an image's tag win, and an image without a release is not what is installed here."""
    environment(tmp_path / ".venv", "vllm-0.9.2.dist-info")
    context = Context(settings=vllm_at_hand("", (tmp_path,), {}))
    (plan,) = analyse(text, context).plans
    assert version_words(plan.deployment, plan) == words


def test_the_command_line_uses_it(tmp_path):
    """plan says the release of the active environment, and that it was found there."""
    active = environment(tmp_path / "active", "vllm-0.9.2.dist-info")
    command = [sys.executable, "-m", "vram_lsp", "plan", "--model", "Qwen/Qwen2.5-0.5B", "--gpu", "l4"]
    done = subprocess.run(
        command, env={**os.environ, "VIRTUAL_ENV": str(active)}, cwd=tmp_path, capture_output=True, text=True
    )
    assert "vLLM 0.9.2 (found in VIRTUAL_ENV)" in " ".join(done.stdout.split())
