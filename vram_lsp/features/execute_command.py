"""workspace/executeCommand: the names of the first commands, and what would fit instead."""

from __future__ import annotations

from typing import Any

from vram_engine.recommend.gpus import Fitting
from vram_lsp import proto
from vram_lsp.recommending import gpus_for
from vram_lsp.session import Snapshot

PLAN = "vramLsp.plan"
RECOMMEND = "vramLsp.recommend"
OTHER_GPUS = "vramLsp.otherGpus"
CLEAR_CACHE = "vramLsp.clearCache"

_MOST_GPUS = 12


def recommend(snapshot: Snapshot, abilities: proto.Abilities) -> dict[str, Any]:
    """The document of ``recommend --format json``, each recommendation with the edit that follows it."""
    plans = snapshot.analysis.plans
    return {"schema_version": 1, "deployments": [_recommended(snapshot, each.index, abilities) for each in plans]}


def _recommended(snapshot: Snapshot, index: int, abilities: proto.Abilities) -> dict[str, Any]:
    from vram_lsp.report.recommendation import answer_document

    answer = snapshot.answer(index)
    document = answer_document(answer)
    lines, versioned = snapshot.analysis.tree.lines, abilities.versioned_edits
    for each, offer in zip(document["recommendations"], answer.recommended.offers, strict=True):
        each["edit"] = proto.workspace_edit(
            snapshot.uri, snapshot.version, lines, offer.edits, snapshot.encoding, versioned=versioned
        )
    return document


def other_gpus(snapshot: Snapshot, index: Any) -> dict[str, Any]:
    """The GPUs of the catalogue a deployment fits as it is written, how many of each, and a sentence that says so."""
    from vram_lsp.report.recommendation import fitting_document

    known = isinstance(index, int) and 0 <= index < len(snapshot.analysis.plans)
    found = gpus_for(snapshot.analysis, index) if known else ()
    return {"message": _gpus_in_words(found), "gpus": [fitting_document(each) for each in found]}


def _gpus_in_words(found: tuple[Fitting, ...]) -> str:
    if not found:
        return "No GPU of the catalogue is known to hold it as it is written, not even eight of one kind."
    named = ", ".join(f"{each.count} x {each.gpu.id}" for each in found[:_MOST_GPUS])
    more = f" and {len(found) - _MOST_GPUS} other kinds" if len(found) > _MOST_GPUS else ""
    return f"Fits as it is written, least memory first: {named}{more}."
