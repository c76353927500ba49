"""A ``# vram:`` comment says something that means nothing.

What it checks
    The keys and values of ``# vram: key=value`` comments, and the rule names in ``# vram: ignore[...]``.

Why
    A misspelt directive would leave the deployment sized for the wrong hardware without a word.

Example
    # vram: gpu=h100-sxm-80 concurency=8
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192

Fixed
    # vram: gpu=h100-sxm-80 concurrency=8
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.rules.base import FileView, Finding, Fix, ReplaceText, Rule


def check(view: FileView) -> Iterator[Finding]:
    """Parts of directives that could not be read."""
    for number in view.ours:
        for problem in view.directives[number].problems:
            better = problem.instead
            fixes = () if better is None else (Fix(f"Write {better}", ReplaceText(problem.span, better), "safe"),)
            yield Finding(RULE.name, "warning", problem.span, problem.message, fixes=fixes)


RULE = Rule("invalid-directive", __doc__ or "", check_file=check)
