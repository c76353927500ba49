"""The seams to the world: who knows models, who knows LoRA adapters, and who knows this machine's GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from vram_engine.lent import LentFile, Unlent
from vram_engine.model.reference import FoundModel, ModelRef, Unanswered
from vram_engine.model.spec import Unavailable


@dataclass(frozen=True, slots=True)
class DetectedGpu:
    """One GPU of this machine as its driver tells it; memory in bytes, ``total`` as the driver counts.

    ``mig`` marks a slice of the GPU ``index``, by its profile (``1g.10gb``). ``nvlink_peers`` are the indices of the
    GPUs it reaches over NVLink. Where CPU and GPU share their memory, ``total`` is all of it.
    """

    index: int
    name: str
    total_bytes: int
    free_bytes: int
    capability: tuple[int, int] | None
    uuid: str | None = None
    mig: str | None = None
    nvlink_peers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Detected:
    """This machine's GPUs, the driver's version, and a sentence about what keeps a driver from answering."""

    gpus: tuple[DetectedGpu, ...] = ()
    driver: str | None = None
    problem: str | None = None


class ModelSource(Protocol):
    """Something that may know a model."""

    def find(self, ref: ModelRef, folders: tuple[Path, ...]) -> FoundModel | Unavailable | Unanswered | None:
        """The model, why it cannot be used, why this source cannot say, or None when it has never heard of it.

        ``folders`` are where relative paths may start, nearest first.
        """


@runtime_checkable
class AdapterSource(Protocol):
    """A source of models that may also know what LoRA adapters are."""

    def adapter(self, ref: ModelRef) -> LentFile | Unlent | None:
        """The adapter_config.json of a repository, why there is none, or None for one it has never heard of."""


class GpuSource(Protocol):
    """Something that knows GPUs."""

    def gpus(self) -> tuple[DetectedGpu, ...]:
        """The GPUs of this machine; empty when there are none or no driver answers."""
