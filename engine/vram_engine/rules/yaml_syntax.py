"""A line is not YAML.

What it checks
    The syntax of files that are ours. The rest of the file is analysed all the same.

Why
    vLLM cannot read the file at all.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    dtype: "bfloat16

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    dtype: "bfloat16"
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.rules.base import FileView, Finding, Rule


def check(view: FileView) -> Iterator[Finding]:
    """What the parser had to leave out."""
    for number in view.ours:
        for problem in view.tree.documents[number].problems:
            yield Finding(RULE.name, "error", problem.span, f"not YAML: {problem.message}")


RULE = Rule("yaml-syntax", __doc__ or "", check_file=check)
