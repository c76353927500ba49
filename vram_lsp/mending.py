"""``check --fix`` and ``--diff``: safe fixes applied one after another until none is left."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

from vram_engine.safe_fixes import safe_edits
from vram_engine.syntax.edits import apply
from vram_lsp.checking import Checked

# A fix can make room for another; a file that needs more rounds than this is better mended by hand.
_MOST_ROUNDS = 10

Again = Callable[[str, Checked], Checked]


def mended(checked: Checked, again: Again) -> Checked:
    """``checked`` after every safe fix, each tried before it is kept; ``again`` analyses the file with a new text."""
    for _ in range(_MOST_ROUNDS):
        edits = safe_edits(checked.analysis, checked.context)
        if not edits:
            break
        checked = again(apply(checked.analysis.tree.text, edits), checked)
    return checked


def diff(before: Sequence[Checked], after: Sequence[Checked]) -> str:
    """What mending would change, as a unified diff."""
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for old, new in zip(before, after, strict=True)
        for line in difflib.unified_diff(
            old.analysis.tree.text.splitlines(keepends=True),
            new.analysis.tree.text.splitlines(keepends=True),
            str(old.path),
            str(new.path),
        )
    )


def write(checked: Sequence[Checked], after: Sequence[Checked]) -> int:
    """Write the texts that changed; returns how many files did."""
    changed = [new for old, new in zip(checked, after, strict=True) if old.analysis.tree.text != new.analysis.tree.text]
    for each in changed:
        if each.path is not None:
            _replace(each.path, each.analysis.tree.text)
    return len(changed)


def _replace(path: Path, text: str) -> None:
    """The whole file or nothing: a new file is moved over the old one."""
    new = path.with_name(f".{path.name}.vram-lsp")
    new.write_bytes(text.encode("utf-8"))
    new.chmod(path.stat().st_mode)
    new.replace(path)
