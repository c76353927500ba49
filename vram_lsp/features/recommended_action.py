"""Two actions on a deployment that does not fit: the recommended configuration as one edit, and on which GPUs it fits.

Searching takes longer than typing allows, so both wait until a person opens the menu.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lsprotocol import types

from vram_engine.model.reference import FoundModel
from vram_engine.plan import Plan
from vram_engine.recommend.advice import preview
from vram_engine.syntax.edits import TextEdit
from vram_engine.text import Span
from vram_lsp.features.execute_command import OTHER_GPUS
from vram_lsp.session import Snapshot

REFACTOR = "refactor"
REWRITE = "refactor.rewrite"

APPLY = "Apply the recommended configuration"
_KEY = "recommended"


def is_asked_for(context: types.CodeActionContext) -> bool:
    """Whether a person wants to see actions, and not an editor whether there are any; old clients do not say."""
    return context.trigger_kind != types.CodeActionTriggerKind.Automatic


def recommended_actions(snapshot: Snapshot, span: Span) -> Iterator[types.CodeAction]:
    """The recommended configuration of each deployment at ``span`` that fails, without its edit."""
    for plan in _failing(snapshot, span):
        offers = snapshot.answer(plan.index).recommended.offers
        if offers:
            choice = offers[0].choice
            changes = ", ".join(
                [f"{name} {value}" for name, value in choice.settings.items()] + [f"no {name}" for name in choice.drops]
            )
            data = {"uri": snapshot.uri, "version": snapshot.version, _KEY: plan.index}
            yield types.CodeAction(f"{APPLY}: {changes} ({preview(choice)})", REWRITE, data=data)


def other_gpu_actions(snapshot: Snapshot, span: Span) -> Iterator[types.CodeAction]:
    """The command that shows where a failing deployment would fit as it is written."""
    for plan in _failing(snapshot, span):
        command = types.Command("Show on other GPUs", OTHER_GPUS, arguments=[snapshot.uri, plan.index])
        yield types.CodeAction(command.title, REFACTOR, command=command)


def recommended_edits(snapshot: Snapshot, data: Any) -> tuple[TextEdit, ...] | None:
    """The edits of the action with this data; None for data of another action or another text."""
    index = data.get(_KEY) if isinstance(data, dict) and data.get("version") == snapshot.version else None
    if not isinstance(index, int) or not 0 <= index < len(snapshot.analysis.plans):
        return None
    offers = snapshot.answer(index).recommended.offers
    return offers[0].edits if offers else None


def _failing(snapshot: Snapshot, span: Span) -> Iterator[Plan]:
    """Deployments at ``span`` with a verdict against them."""
    for plan in snapshot.analysis.plans:
        is_known = isinstance(plan.model, FoundModel) and plan.verdict in ("infeasible", "at-risk")
        if is_known and any(each.start <= span.end and span.start <= each.end for each in _spans(snapshot, plan)):
            yield plan


def _spans(snapshot: Snapshot, plan: Plan) -> Iterator[Span]:
    """Where the settings of a deployment stand in the file."""
    yield snapshot.analysis.span(plan.at())
    for name in plan.deployment.settings:
        setting = plan.deployment.effective(name)
        where = (setting.place or setting.span) if setting is not None else None
        if setting is not None and setting.origin in ("file", "directive") and where is not None:
            yield snapshot.analysis.span(where)
