"""The two seams to the world: who knows models, and who knows this machine's GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.model.spec import Unavailable


@dataclass(frozen=True, slots=True)
class DetectedGpu:
    """One GPU of this machine as its driver tells it; memory in bytes, ``total`` as the driver counts."""

    index: int
    name: str
    total_bytes: int
    free_bytes: int
    capability: tuple[int, int] | None


class ModelSource(Protocol):
    """Something that may know a model."""

    def find(self, ref: ModelRef, folders: tuple[Path, ...]) -> FoundModel | Unavailable | None:
        """The model, why it cannot be used, or None when this source has never heard of it.

        ``folders`` are where relative paths may start, nearest first.
        """


class GpuSource(Protocol):
    """Something that knows GPUs."""

    def gpus(self) -> tuple[DetectedGpu, ...]:
        """The GPUs of this machine; empty when there are none or no driver answers."""
