"""The safe fixes of a whole file as one edit, which was tried as one: "fix all" in an editor, ``check --fix``."""

from __future__ import annotations

from collections.abc import Sequence

from vram_engine.analysis import Analysis, Context, deployments_of
from vram_engine.fixing import edits_of
from vram_engine.rules.base import Finding, Fix
from vram_engine.syntax.edits import TextEdit, apply
from vram_engine.syntax.parse import parse


def has_safe_fixes(analysis: Analysis) -> bool:
    """Whether any finding has a way out that keeps what was meant."""
    return any(_safe(finding) is not None for finding in analysis.findings)


def safe_edits(analysis: Analysis, context: Context) -> tuple[TextEdit, ...]:
    """The first safe fix of every finding that can be written beside those before it."""
    chosen: tuple[TextEdit, ...] = ()
    for finding in analysis.findings:
        fix = _safe(finding)
        edits = edits_of(analysis, fix, context) if fix is not None else None
        if edits is None or not _are_apart(chosen, edits):
            continue
        if _keeps_deployments(analysis, (*chosen, *edits), context):
            chosen = (*chosen, *edits)
    return chosen


def _safe(finding: Finding) -> Fix | None:
    return next((fix for fix in finding.fixes if fix.safety == "safe"), None)


def _are_apart(some: Sequence[TextEdit], others: Sequence[TextEdit]) -> bool:
    """Whether no two edits touch the same text; the client decides the order of those that do."""
    return not any(
        one.span.start <= other.span.end and other.span.start <= one.span.end for one in some for other in others
    )


def _keeps_deployments(analysis: Analysis, edits: tuple[TextEdit, ...], context: Context) -> bool:
    return len(deployments_of(parse(apply(analysis.tree.text, edits)), context)) == len(analysis.plans)
