"""vramLsp.plan and vramLsp.apply: an open document with a few settings tried instead, and the edit that writes them.

The contract is editors/PROTOCOL.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from vram_engine.analysis import analyse
from vram_engine.deployment import Scalar
from vram_engine.fixing import edits_of
from vram_engine.rules.base import ChangeSettings, Fix
from vram_engine.view.candidates import values
from vram_lsp import proto
from vram_lsp.overrides import OverrideError, read_overrides, settings_of
from vram_lsp.session import Snapshot, path_of

APPLY = "vramLsp.apply"

# Overrides that have a list of values.
CHOOSABLE = ("tensor_parallel_size", "kv_cache_dtype", "gpu")


@dataclass(frozen=True, slots=True)
class Trial:
    """What to try: values of settings, in which deployment, and of which version of the document."""

    overrides: Mapping[str, Scalar]
    deployment: int = 0
    version: int | None = None


def read_trial(arguments: tuple[Any, ...]) -> Trial:
    """The trial in a command's arguments, the document's URI being the first; raises JsonRpcInvalidParams."""
    said, which = (*arguments[1:3], None, None)[:2]
    try:
        overrides = read_overrides(said)
    except OverrideError as error:
        raise JsonRpcInvalidParams(str(error)) from error
    if which is not None and not isinstance(which, Mapping):
        raise JsonRpcInvalidParams("the third argument must be an object")
    return Trial(overrides, _number(which or {}, "deployment") or 0, _number(which or {}, "version"))


def _number(said: Mapping[Any, Any], name: str) -> int | None:
    value = said.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise JsonRpcInvalidParams(f"{name} must be a whole number")
    return value


def plan(snapshot: Snapshot, trial: Trial, abilities: proto.Abilities) -> dict[str, Any]:
    """The document of ``plan --json`` with the overrides in force, and the edit that writes them in each deployment."""
    from vram_lsp.checking import Checked
    from vram_lsp.report.document import plan_document

    context = replace(snapshot.context, settings=(*snapshot.context.settings, *settings_of(trial.overrides)))
    analysis = analyse(snapshot.text, context, snapshot.analysis) if trial.overrides else snapshot.analysis
    document = plan_document(Checked(path_of(snapshot.uri) or Path(snapshot.uri), analysis, context))
    for index, (each, of) in enumerate(zip(document["deployments"], analysis.plans, strict=True)):
        each["edit"] = edit(snapshot, replace(trial, deployment=index), abilities)
        each["choices"] = {name: values(name.replace("_", "-"), of) for name in CHOOSABLE}
    return {**document, "document": {"uri": snapshot.uri, "version": snapshot.version}}


def edit(snapshot: Snapshot, trial: Trial, abilities: proto.Abilities) -> types.WorkspaceEdit | None:
    """What writes the overrides and changes nothing else; None where nothing has to be written, or safely can."""
    plans = snapshot.analysis.plans
    if not 0 <= trial.deployment < len(plans):
        return None
    deployment = plans[trial.deployment].deployment
    changed = {name: value for name, value in trial.overrides.items() if deployment.value(name) != value}
    if not changed:
        return None
    edits = edits_of(snapshot.analysis, Fix("", ChangeSettings(trial.deployment, changed)), snapshot.context)
    if edits is None:
        return None
    lines, versioned = snapshot.analysis.tree.lines, abilities.versioned_edits
    return proto.workspace_edit(snapshot.uri, snapshot.version, lines, edits, snapshot.encoding, versioned=versioned)


def edit_to_apply(snapshot: Snapshot, trial: Trial, abilities: proto.Abilities) -> types.WorkspaceEdit:
    """The edit a client asked to have applied; an LSP error where there is none to apply."""
    if not abilities.applies_edits:
        raise JsonRpcException("this client does not apply edits", types.LSPErrorCodes.RequestFailed)
    if trial.version not in (None, snapshot.version):
        raise JsonRpcException("the document has changed since", types.LSPErrorCodes.ContentModified)
    found = edit(snapshot, trial, abilities)
    if found is None:
        raise JsonRpcException("this cannot be written here safely", types.LSPErrorCodes.RequestFailed)
    return found
