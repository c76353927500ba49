"""Files in Neovim: every dialect, and one of five thousand lines that is typed into."""

from __future__ import annotations

import pytest

from tests.engine.dialects.test_spellings import HARDWARE, SPELLINGS

POD = """\
---
# vram: gpu=l4 vllm=0.32.0
apiVersion: v1
kind: Pod
metadata: {{name: llm-{number}}}
spec:
  containers:
    - name: vllm
      image: vllm/vllm-openai:v0.32.0
      args: ["--model", "Qwen/Qwen2.5-14B-Instruct", "--max-model-len=16384"]
"""
SETTINGS = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings-{number}}}\ndata:\n" + "".join(
    f"  key_{line}: a value that has nothing to do with it\n" for line in range(485)
)


@pytest.fixture(scope="module")
def opened(neovim, tmp_path_factory):
    """What Neovim showed for the same deployment written in every way there is."""
    folder = tmp_path_factory.mktemp("dialects")
    for number, text in enumerate(SPELLINGS.values()):
        (folder / f"{number:02}.yaml").write_text(HARDWARE + text, encoding="utf-8")
    return neovim("neovim_files", folder)


@pytest.mark.parametrize("number", range(len(SPELLINGS)), ids=SPELLINGS)
def test_a_dialect_has_its_verdict(number, opened):
    """An 8 B model at 16,384 tokens on two H100 fits, and the lens over it says so."""
    (lens,) = opened[f"{number:02}.yaml"]["lenses"]
    assert lens.startswith("fits"), lens


@pytest.fixture(scope="module")
def typed(neovim, tmp_path_factory):
    """What was seen while typing into a large file."""
    folder = tmp_path_factory.mktemp("large")
    parts = [(POD + SETTINGS).format(number=number) for number in range(10)]
    (folder / "large.yaml").write_text("".join(parts), encoding="utf-8")
    return neovim("neovim_typing", folder)


def test_a_large_file_takes_every_key(typed):
    """All that was typed is there, in a file of five thousand lines, and the verdict is of the text as it is then."""
    assert typed["last_line"] >= 5000
    assert "#" + " typed in the middle" * 3 in typed["text"]
    assert "--max-model-len=8192" in typed["line"]
    # Half the tokens take half of the 3.00 GiB of KV cache.
    assert typed["first_lens"].startswith("does not fit  33.0 of")
    assert typed["lens"].startswith("does not fit  31.5 of")


def test_the_plan_is_not_asked_for_with_every_key(typed):
    """It waits until the keys pause."""
    assert typed["asked"] < typed["keys"] / 2
