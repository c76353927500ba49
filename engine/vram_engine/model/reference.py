"""How a deployment names a model, and what a source answers: the values that pass between the core and its sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vram_engine.model.spec import ModelSpec

SourceName = Literal["local", "cache", "hub", "catalogue", "declared"]


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model as a file names it: a path or a hub id, and the revision asked for."""

    name: str
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model that a source knows, and which source."""

    spec: ModelSpec
    source: SourceName
