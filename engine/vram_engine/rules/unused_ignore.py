"""An ignore comment silences nothing.

What it checks
    Whether each rule named in ``# vram: ignore[...]`` exists and has something to silence on its line, or on the next
    line when the comment stands alone.

Why
    A stale ignore would hide the next real problem.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192 # vram: ignore[tight-memory]

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vram_engine.dialects.directives import Ignore
from vram_engine.rules.base import FileView, Finding, Fix, ReplaceText, Rule
from vram_engine.text import Span

_NOTHING_ELSE = re.compile(r"#\s*vram\s*:\s*ignore\s*\[\s*[^\s,\]]+\s*\]\s*")


def check(view: FileView) -> Iterator[Finding]:
    """Ignores that met nothing."""
    for ignore in view.unused_ignores:
        known = ignore.rule in view.rule_names
        message = f"nothing to ignore here for {ignore.rule}" if known else f"there is no rule {ignore.rule}"
        removal = _removal(view, ignore)
        fixes = () if removal is None else (Fix("Remove this comment", ReplaceText(removal, ""), "safe"),)
        yield Finding(RULE.name, "warning", ignore.span, message, fixes=fixes)


def _removal(view: FileView, ignore: Ignore) -> Span | None:
    """What to delete when the comment says nothing else: its line, or itself with the space before it."""
    text, lines = view.tree.text, view.tree.lines
    if _NOTHING_ELSE.fullmatch(text[ignore.comment.start : ignore.comment.end]) is None:
        return None
    line = lines.line_of(ignore.comment.start)
    start = lines.starts[line]
    before = text[start : ignore.comment.start]
    if before.strip():
        return Span(start + len(before.rstrip()), ignore.comment.end)
    return Span(start, lines.starts[line + 1] if line + 1 < len(lines.starts) else len(text))


RULE = Rule("unused-ignore", __doc__ or "", check_file=check)
