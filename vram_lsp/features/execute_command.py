"""workspace/executeCommand: the names of the first commands, and what would fit instead."""

from __future__ import annotations

from typing import Any

from vram_engine.fixing import edits_of
from vram_engine.plan import Plan
from vram_engine.recommend import Recommendation
from vram_engine.rules.base import ChangeSettings, Fix
from vram_lsp import proto
from vram_lsp.session import Snapshot

PLAN = "vramLsp.plan"
RECOMMEND = "vramLsp.recommend"
CLEAR_CACHE = "vramLsp.clearCache"


def recommend(snapshot: Snapshot, abilities: proto.Abilities) -> dict[str, Any]:
    """The recommendations for every deployment, each with the edit that follows it where one can be written."""
    plans = snapshot.analysis.plans
    return {"schema_version": 1, "deployments": [_recommended(snapshot, each, abilities) for each in plans]}


def _recommended(snapshot: Snapshot, of: Plan, abilities: proto.Abilities) -> dict[str, Any]:
    found = [_recommendation(snapshot, of, each, abilities) for each in of.recommendations]
    return {"name": of.deployment.name, "verdict": of.verdict, "recommendations": found}


def _recommendation(snapshot: Snapshot, of: Plan, given: Recommendation, abilities: proto.Abilities) -> dict[str, Any]:
    fix = Fix(given.title, ChangeSettings(of.index, given.settings))
    edits = edits_of(snapshot.analysis, fix, snapshot.context)
    edit = None
    if edits is not None:
        lines, versioned = snapshot.analysis.tree.lines, abilities.versioned_edits
        edit = proto.workspace_edit(
            snapshot.uri, snapshot.version, lines, edits, snapshot.encoding, versioned=versioned
        )
    return {
        "title": given.title,
        "settings": dict(given.settings),
        "verdict": given.verdict,
        "headroom_bytes": given.headroom_bytes,
        "edit": edit,
    }
