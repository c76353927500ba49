"""The hover on a container's image: which release of vLLM it stands for."""

import pytest

from vram_engine.analysis import analyse
from vram_engine.facts.versions import NEWEST
from vram_engine.view.hover import hover


@pytest.mark.parametrize(
    ("head", "tag", "words"),
    [
        ("", "v0.19.1", "its tag names vLLM 0.19.1"),
        ("", "latest", f"it names no release of vLLM, and {NEWEST} is assumed"),
        ("# vram: vllm=0.20.0\n", "v0.19.1", "sized for vLLM 0.20.0, which is said elsewhere"),
    ],
)
def test_the_image_tells_its_release(head, tag, words):
    """What its tag names, that it names nothing, or that something stronger does."""
    text = f"{head}services:\n  v:\n    image: vllm/vllm-openai:{tag}\n    command: --model m --max-num-seqs 64\n"
    shown = hover(analyse(text), text.index("vllm-openai"))
    assert shown is not None
    assert shown.markdown.endswith(f"`image`: {words}")
    assert text[shown.span.start : shown.span.end] == f"vllm/vllm-openai:{tag}"
