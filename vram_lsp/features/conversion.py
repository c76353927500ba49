"""Deployments written anew: the command ``vramLsp.generate``, and the actions "Convert to ... as a new file"."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from vram_engine.generate import FORMS, KINDS, Artifact, Kind, generate, refusal
from vram_engine.generate.order import Refused
from vram_engine.plan import Plan
from vram_lsp import proto
from vram_lsp.session import Snapshot, path_of

GENERATE = "vramLsp.generate"
KIND = types.CodeActionKind.Refactor.value

_MOST_FILES = 99


@dataclass(frozen=True, slots=True)
class Wish:
    """What a command asks for: these kinds of these deployments, and whether to open the one there is as a file."""

    plans: tuple[Plan, ...]
    kinds: tuple[Kind, ...]
    open: bool


@dataclass(frozen=True, slots=True)
class Created:
    """A new file: where, the edit that makes it, and what to call that."""

    uri: str
    edit: types.WorkspaceEdit
    title: str


def wish_of(snapshot: Snapshot, options: Any) -> Wish:
    """``{"kind", "deployment", "open"}``, each of which may be left out; an LSP error for what there is not."""
    asked = options if isinstance(options, dict) else {}
    kinds = tuple(kind for kind in KINDS if asked.get("kind") in (None, kind))
    name = asked.get("deployment")
    plans = tuple(plan for plan in snapshot.analysis.plans if name in (None, plan.deployment.name))
    if not kinds:
        raise JsonRpcInvalidParams(f"kind must be one of {', '.join(KINDS)}")
    if not plans and name is not None:
        raise JsonRpcInvalidParams("the document has no such deployment")
    return Wish(plans, kinds, asked.get("open") is True)


def generated(wish: Wish) -> dict[str, Any]:
    """The texts asked for; ``refused`` is why there is none. ``uri`` is the file that was made, when one was."""
    made = [_answer(plan, kind) for plan in wish.plans for kind in wish.kinds]
    return {"schema_version": 1, "artifacts": made, "uri": None}


def _answer(plan: Plan, kind: Kind) -> dict[str, Any]:
    made = generate(plan.deployment, kind)
    return {
        "deployment": plan.deployment.name,
        "kind": kind,
        "file_name": FORMS[kind].file_name,
        "text": made.text if isinstance(made, Artifact) else None,
        "refused": made.reason if isinstance(made, Refused) else None,
    }


def created(snapshot: Snapshot, wish: Wish) -> Created | None:
    """The one artifact asked for as a new file; None where there is not exactly one, or no place for it."""
    if len(wish.plans) != 1 or len(wish.kinds) != 1:
        return None
    made, uri = generate(wish.plans[0].deployment, wish.kinds[0]), _free_uri(snapshot, wish.kinds[0])
    if not isinstance(made, Artifact) or uri is None:
        return None
    return Created(uri, proto.new_file(uri, made.text), _title(snapshot, wish.plans[0], wish.kinds[0]))


def actions(snapshot: Snapshot, params: types.CodeActionParams, abilities: proto.Abilities) -> list[types.CodeAction]:
    """One action for each other form of the deployment at the cursor, where the client can make files."""
    at = proto.offset_of(snapshot.analysis.tree.lines, params.range.start, snapshot.encoding)
    plan = _plan_at(snapshot, at)
    if plan is None or not abilities.creates_files or path_of(snapshot.uri) is None:
        return []
    kinds = [kind for kind in KINDS if FORMS[kind].dialect != plan.deployment.dialect]
    if abilities.resolves_edits:
        return [_lazy(snapshot, plan, kind) for kind in kinds if refusal(plan.deployment, kind) is None]
    return list(_eager(snapshot, plan, kinds))


def _plan_at(snapshot: Snapshot, at: int) -> Plan | None:
    """The deployment that the cursor is in: of those that start before it in its YAML document, the last one."""
    tree, plans = snapshot.analysis.tree, snapshot.analysis.plans
    here = [plan for plan in plans if tree.documents[plan.deployment.document].span.start <= at]
    document = max((plan.deployment.document for plan in here), default=None)
    beside = [plan for plan in plans if plan.deployment.document == document]
    before = [plan for plan in beside if snapshot.analysis.span(plan.anchor.fallback).start <= at]
    return before[-1] if before else beside[0] if beside else None


def _lazy(snapshot: Snapshot, plan: Plan, kind: Kind) -> types.CodeAction:
    data = {"uri": snapshot.uri, "version": snapshot.version, "convert": kind, "deployment": plan.index}
    return types.CodeAction(_title(snapshot, plan, kind), types.CodeActionKind(KIND), data=data)


def _eager(snapshot: Snapshot, plan: Plan, kinds: list[Kind]) -> Iterator[types.CodeAction]:
    for kind in kinds:
        new = created(snapshot, Wish((plan,), (kind,), True))
        if new is not None:
            yield types.CodeAction(new.title, types.CodeActionKind(KIND), edit=new.edit)


def is_one(action: types.CodeAction) -> bool:
    """Whether an action is one of these."""
    return isinstance(action.data, dict) and "convert" in action.data


def resolved(snapshot: Snapshot, action: types.CodeAction) -> types.CodeAction:
    """The action with its edit; an LSP error where the document has moved on or the form is refused."""
    data = action.data if isinstance(action.data, dict) else {}
    number, kinds = data.get("deployment"), tuple(kind for kind in KINDS if kind == data.get("convert"))
    plans = tuple(plan for plan in snapshot.analysis.plans if plan.index == number)
    if data.get("version") != snapshot.version or not plans or not kinds:
        raise JsonRpcException("the document has changed since", types.LSPErrorCodes.ContentModified)
    new = created(snapshot, Wish(plans, kinds, True))
    if new is None:
        made = generate(plans[0].deployment, kinds[0])
        reason = made.reason if isinstance(made, Refused) else "there is no free name for it"
        raise JsonRpcException(f"this cannot be converted: {reason}", types.LSPErrorCodes.RequestFailed)
    action.edit = new.edit
    return action


def _title(snapshot: Snapshot, plan: Plan, kind: Kind) -> str:
    of = f"{plan.deployment.name} " if len(snapshot.analysis.plans) > 1 else ""
    return f"Convert {of}to {FORMS[kind].title} as a new file"


def _free_uri(snapshot: Snapshot, kind: Kind) -> str | None:
    """A name beside the document that no file has; None for a document that is no file."""
    source = path_of(snapshot.uri)
    if source is None:
        return None
    usual = Path(FORMS[kind].file_name)
    for number in range(1, _MOST_FILES + 1):
        name = usual.name if number == 1 else f"{usual.stem}-{number}{usual.suffix}"
        path = source.absolute().with_name(name)
        if path != source.absolute() and not os.path.lexists(path):
            return path.as_uri()
    return None
