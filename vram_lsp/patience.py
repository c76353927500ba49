"""Which findings wait while somebody types: a word that is not a key yet is no mistake yet.

A line that holds one bare word cannot be YAML among keys, and every key begins as one. On the line that was edited last
that finding is withheld until the document has been still for a second, is edited on another line, or is saved.
Everything else is shown at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile

from vram_engine.analysis import Analysis
from vram_engine.rules.base import Finding

# As long as a pause between two words, and no longer than somebody looks for what is wrong.
STILL_S = 1.0
_BARE_WORD = re.compile(r"[ \t]*(?:-[ \t]+)*[\w.-]+[ \t]*")


def edited_line(before: str, after: str) -> int:
    """The 0-based line of ``after`` in which the edit ended: the last one that is not as it was."""
    was, now = before.split("\n"), after.split("\n")
    kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(reversed(was), reversed(now), strict=False)))
    return max(len(now) - 1 - kept, 0)


def shown(analysis: Analysis, typed: int | None) -> Iterator[Finding]:
    """The findings of an analysis without those that wait; ``typed`` is the line that was edited last, if any waits."""
    return (finding for finding in analysis.findings if not _waits(analysis, finding, typed))


def _waits(analysis: Analysis, finding: Finding, typed: int | None) -> bool:
    if typed is None or finding.rule != "yaml-syntax":
        return False
    lines = analysis.tree.lines
    if lines.line_of(analysis.span(finding.where).start) != typed:
        return False
    span = lines.line_span(typed)
    return _BARE_WORD.fullmatch(lines.text, span.start, span.end) is not None


def is_waiting(analysis: Analysis, typed: int | None) -> bool:
    """Whether anything waits."""
    return any(_waits(analysis, finding, typed) for finding in analysis.findings)
