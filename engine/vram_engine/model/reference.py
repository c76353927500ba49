"""How a deployment names a model, and what a source answers: the values that pass between the core and its sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vram_engine.model.spec import ModelSpec, Unavailable

SourceName = Literal["local", "cache", "hub", "catalogue", "declared"]


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model as a file names it: a path or a hub id, and the revision asked for."""

    name: str
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class StoredTensors:
    """Tensors of a checkpoint that differ in nothing but numbers after the first in their names.

    ``name`` keeps the first number, which is the layer, and has ``*`` for later ones, such as an expert's. ``dtype``
    is the file format's word, ``shape`` that of one tensor, ``bytes`` the sum over all ``count`` of them.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """What the headers of a checkpoint's files say is stored in them; no tensor was read."""

    format: Literal["safetensors", "gguf"]
    tensors: tuple[StoredTensors, ...]
    files: int
    basis: Literal["exact"] = "exact"

    @property
    def total_bytes(self) -> int:
        """Bytes of all tensors as stored, headers apart."""
        return sum(each.bytes for each in self.tensors)

    @property
    def bytes_by_dtype(self) -> dict[str, int]:
        """The same by the file format's words for dtypes."""
        found: dict[str, int] = {}
        for each in self.tensors:
            found[each.dtype] = found.get(each.dtype, 0) + each.bytes
        return found


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model that a source knows, and which source.

    ``checkpoint`` is there where the headers of its files could be read, ``commit`` where the source pins one.
    ``notes`` are sentences for the user about what was found. ``quantized`` is what it is under a ``--quantization``
    that has vLLM read a file beside its config.json, by the names that do.
    """

    spec: ModelSpec
    source: SourceName
    checkpoint: CheckpointFacts | None = None
    commit: str | None = None
    notes: tuple[str, ...] = ()
    quantized: tuple[tuple[str, FoundModel | Unavailable], ...] = ()


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Why a source could not say, while another still may. ``reason`` is a clause: "huggingface.co did not answer ...".

    ``retry_after_s`` is how long the source wants to be left alone; ``for_all`` whether it answers for no model at all.
    """

    reason: str
    retry_after_s: float | None = None
    for_all: bool = False
