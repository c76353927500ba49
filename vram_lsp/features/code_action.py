"""textDocument/codeAction, codeAction/resolve: fixes of the findings under the cursor, ignoring them, all safe fixes,
and the recommended configuration of the deployment.

A client that resolves gets titles, and the edit of the one it chose when it chose it; any other gets edits at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from vram_engine.dialects.writing import settings_written, with_gpus
from vram_engine.fixing import edits_of, ignore_edits
from vram_engine.rules.base import ChangeSettings, Finding, Fix
from vram_engine.safe_fixes import has_safe_fixes, safe_edits
from vram_engine.syntax.edits import TextEdit
from vram_engine.text import Span
from vram_lsp import proto
from vram_lsp.features import conversion
from vram_lsp.features.recommended_action import (
    REFACTOR,
    REWRITE,
    is_asked_for,
    other_gpu_actions,
    recommended_actions,
    recommended_edits,
)
from vram_lsp.session import Snapshot

FIX_ALL = "source.fixAll.vram-lsp"

# An ignore comment there would be part of the broken text, or of the comment it is about.
_NOT_IGNORABLE = frozenset({"yaml-syntax", "invalid-directive", "unused-ignore"})


@dataclass(frozen=True, slots=True)
class _Offer:
    """An action without its edits. ``number`` is the finding's, -1 for all; without a ``fix`` it is ignored."""

    title: str
    number: int
    finding: Finding | None = None
    fix: Fix | None = None
    preferred: bool | None = None


def code_actions(
    snapshot: Snapshot, params: types.CodeActionParams, abilities: proto.Abilities
) -> list[types.CodeAction]:
    """Every action for what touches the range, of the kinds the client asks for."""
    only = [str(getattr(kind, "value", kind)) for kind in params.context.only or []]
    asked = is_asked_for(params.context)
    span = _asked_about(snapshot, params) if asked else _range(snapshot, params)
    whole = list(_configurations(snapshot, span, abilities)) if asked and _is_wanted(REWRITE, only) else []
    shown = list(other_gpu_actions(snapshot, span)) if asked and _is_wanted(REFACTOR, only) else []
    forms = _conversions(snapshot, params, only, abilities)
    return [*_offered_edits(snapshot, span, only, abilities), *whole, *shown, *forms]


def _range(snapshot: Snapshot, params: types.CodeActionParams) -> Span:
    return proto.span_of(snapshot.analysis.tree.lines, params.range, snapshot.encoding)


def _asked_about(snapshot: Snapshot, params: types.CodeActionParams) -> Span:
    """The range; for a cursor on nothing that was found, its line: a value is red, and the cursor is on its key."""
    span = _range(snapshot, params)
    found = (snapshot.analysis.span(each.where) for each in snapshot.analysis.findings)
    if span.start < span.end or any(_touches(each, span) for each in found):
        return span
    lines = snapshot.analysis.tree.lines
    return lines.line_span(lines.line_of(span.start))


def _configurations(snapshot: Snapshot, span: Span, abilities: proto.Abilities) -> Iterator[types.CodeAction]:
    """The recommended configurations, with their edits for a client that does not resolve."""
    for action in recommended_actions(snapshot, span):
        edits = recommended_edits(snapshot, action.data)
        if abilities.resolves_edits or not edits:
            yield action
        else:
            yield _with_edit(snapshot, types.CodeAction(action.title, action.kind), edits, abilities)


def _offered_edits(
    snapshot: Snapshot, span: Span, only: Sequence[str], abilities: proto.Abilities
) -> list[types.CodeAction]:
    """Quick fixes and the fix for all."""
    offers: list[_Offer] = []
    if _is_wanted("quickfix", only):
        offers += _quick_fixes(snapshot, span, abilities)
    if _is_wanted(FIX_ALL, only) and has_safe_fixes(snapshot.analysis):
        offers.append(_FIX_ALL_OFFER)
    if abilities.resolves_edits:
        return [_action(snapshot, offer, data=_data(snapshot, offer)) for offer in offers]
    written = ((offer, _edits(snapshot, offer)) for offer in offers)
    return [_with_edit(snapshot, _action(snapshot, offer), edits, abilities) for offer, edits in written if edits]


def _conversions(
    snapshot: Snapshot, params: types.CodeActionParams, only: Sequence[str], abilities: proto.Abilities
) -> list[types.CodeAction]:
    """The deployment at the cursor in other forms, for somebody who asks: a light on every line would be noise."""
    asked = params.context.trigger_kind != types.CodeActionTriggerKind.Automatic or bool(only)
    return conversion.actions(snapshot, params, abilities) if asked and _is_wanted(conversion.KIND, only) else []


def resolved(snapshot: Snapshot, action: types.CodeAction, abilities: proto.Abilities) -> types.CodeAction:
    """The action with its edit; an LSP error where the document has moved on or the fix cannot be written there."""
    if conversion.is_one(action):
        return conversion.resolved(snapshot, action)
    if action.command is not None:
        return action
    recommended = recommended_edits(snapshot, action.data)
    if recommended:
        return _with_edit(snapshot, action, recommended, abilities)
    offer = _offered(snapshot, action)
    if offer is None:
        raise JsonRpcException("the document has changed since", types.LSPErrorCodes.ContentModified)
    edits = _edits(snapshot, offer)
    if not edits:
        raise JsonRpcException("this cannot be written here safely", types.LSPErrorCodes.RequestFailed)
    return _with_edit(snapshot, action, edits, abilities)


_FIX_ALL_OFFER = _Offer("Apply all safe fixes of vram-lsp", -1)


def _is_wanted(kind: str, only: Sequence[str]) -> bool:
    """Whether a kind is one of those asked for, or below one of them; all are where nothing is asked for."""
    return not only or any(each == "" or kind == each or kind.startswith(f"{each}.") for each in only)


def _quick_fixes(snapshot: Snapshot, span: Span, abilities: proto.Abilities) -> list[_Offer]:
    findings = enumerate(snapshot.analysis.findings)
    touched = [(number, each) for number, each in findings if _touches(snapshot.analysis.span(each.where), span)]
    fixes = [offer for number, finding in touched for offer in _fixes(snapshot, number, finding, abilities)]
    return fixes + [offer for number, finding in touched for offer in _ignore(number, finding)]


def _touches(one: Span, other: Span) -> bool:
    return one.start <= other.end and other.start <= one.end


def _fixes(snapshot: Snapshot, number: int, finding: Finding, abilities: proto.Abilities) -> Iterator[_Offer]:
    # A better choice is worth offering, but only what repairs something is the one to take without looking.
    preferred = finding.severity in ("error", "warning")
    for fix in finding.fixes:
        offer = _Offer(fix.title, number, finding, fix, preferred)
        if _may_be_written(snapshot, fix) if abilities.resolves_edits else _edits(snapshot, offer):
            yield offer
            preferred = False


def _ignore(number: int, finding: Finding) -> Iterator[_Offer]:
    if finding.rule not in _NOT_IGNORABLE:
        yield _Offer(f"Ignore {finding.rule} here", number, finding)


def _may_be_written(snapshot: Snapshot, fix: Fix) -> bool:
    """Whether a fix has a place in the file; whether it does just what it should is found out when it is chosen."""
    if not isinstance(fix.change, ChangeSettings):
        return True
    deployment = snapshot.analysis.plans[fix.change.deployment].deployment
    return bool(settings_written(snapshot.analysis.tree, deployment, with_gpus(deployment, fix.change.values)))


def _edits(snapshot: Snapshot, offer: _Offer) -> tuple[TextEdit, ...] | None:
    if offer.finding is None:
        return safe_edits(snapshot.analysis, snapshot.context)
    if offer.fix is None:
        return ignore_edits(snapshot.analysis, offer.finding, snapshot.context)
    return edits_of(snapshot.analysis, offer.fix, snapshot.context)


def _action(snapshot: Snapshot, offer: _Offer, data: Any = None) -> types.CodeAction:
    if offer.finding is None:
        return types.CodeAction(offer.title, FIX_ALL, data=data)
    shown = proto.diagnostic(snapshot.uri, snapshot.analysis, offer.finding, snapshot.encoding)
    return types.CodeAction(
        offer.title, types.CodeActionKind.QuickFix, diagnostics=[shown], is_preferred=offer.preferred, data=data
    )


def _with_edit(
    snapshot: Snapshot, action: types.CodeAction, edits: tuple[TextEdit, ...], abilities: proto.Abilities
) -> types.CodeAction:
    action.edit = proto.workspace_edit(
        snapshot.uri,
        snapshot.version,
        snapshot.analysis.tree.lines,
        edits,
        snapshot.encoding,
        versioned=abilities.versioned_edits,
    )
    return action


def _data(snapshot: Snapshot, offer: _Offer) -> dict[str, Any]:
    fix = offer.finding.fixes.index(offer.fix) if offer.finding is not None and offer.fix is not None else None
    return {"uri": snapshot.uri, "version": snapshot.version, "finding": offer.number, "fix": fix}


def _offered(snapshot: Snapshot, action: types.CodeAction) -> _Offer | None:
    """What an action was offered for, if it would still be offered."""
    data, findings = action.data, snapshot.analysis.findings
    if not isinstance(data, dict) or data.get("version") != snapshot.version:
        return None
    number, fix = data.get("finding"), data.get("fix")
    if number == _FIX_ALL_OFFER.number:
        return _FIX_ALL_OFFER
    if not isinstance(number, int) or not 0 <= number < len(findings):
        return None
    finding = findings[number]
    offers = [_Offer(each.title, number, finding, each) for each in finding.fixes]
    chosen = offers[fix : fix + 1] if isinstance(fix, int) and fix >= 0 else list(_ignore(number, finding))
    return next((offer for offer in chosen if offer.title == action.title), None)
