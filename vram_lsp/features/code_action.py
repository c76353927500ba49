"""textDocument/codeAction: the fixes of the findings under the cursor, and ignoring them."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol import types
from vram_engine.fixing import edits_of, ignore_edit
from vram_engine.rules.base import Finding
from vram_engine.syntax.edits import TextEdit
from vram_engine.text import Span

from vram_lsp import proto
from vram_lsp.session import Snapshot

# An ignore comment there would be part of the broken text, or of the comment it is about.
_NOT_IGNORABLE = frozenset({"yaml-syntax", "invalid-directive", "unused-ignore"})


def code_actions(snapshot: Snapshot, where: types.Range, *, versioned: bool) -> list[types.CodeAction]:
    """Quick fixes for every finding that touches ``where``; only fixes that were tried are offered."""
    span = proto.span_of(snapshot.analysis.tree.lines, where, snapshot.encoding)
    touched = [each for each in snapshot.analysis.findings if _touches(snapshot.analysis.span(each.where), span)]
    fixes = [action for finding in touched for action in _fixes(snapshot, finding, versioned)]
    ignores = [_ignore(snapshot, finding, versioned) for finding in touched if finding.rule not in _NOT_IGNORABLE]
    return fixes + ignores


def _touches(one: Span, other: Span) -> bool:
    return one.start <= other.end and other.start <= one.end


def _fixes(snapshot: Snapshot, finding: Finding, versioned: bool) -> Iterator[types.CodeAction]:
    # A better choice is worth offering, but only what repairs something is the one to take without looking.
    preferred = finding.severity in ("error", "warning")
    for fix in finding.fixes:
        edits = edits_of(snapshot.analysis, fix, snapshot.context)
        if edits is not None:
            yield _action(snapshot, finding, fix.title, edits, versioned, preferred)
            preferred = False


def _ignore(snapshot: Snapshot, finding: Finding, versioned: bool) -> types.CodeAction:
    edit = ignore_edit(snapshot.analysis, finding)
    return _action(snapshot, finding, f"Ignore {finding.rule} here", (edit,), versioned, None)


def _action(
    snapshot: Snapshot,
    finding: Finding,
    title: str,
    edits: tuple[TextEdit, ...],
    versioned: bool,
    preferred: bool | None,
) -> types.CodeAction:
    lines = snapshot.analysis.tree.lines
    return types.CodeAction(
        title=title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[proto.diagnostic(snapshot.uri, snapshot.analysis, finding, snapshot.encoding)],
        is_preferred=preferred,
        edit=proto.workspace_edit(snapshot.uri, snapshot.version, lines, edits, snapshot.encoding, versioned=versioned),
    )
