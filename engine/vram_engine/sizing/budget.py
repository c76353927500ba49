"""The Term tree: a budget that is the calculation and its explanation at once.

Everything is bytes per GPU unless a term says otherwise. Views render terms; they never compute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Basis = Literal["measured", "exact", "modelled", "rule of thumb", "declared"]

GIB = 2**30
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Term:
    """One amount of memory, why it is that much, and how the number is known.

    ``bytes`` is the expected value. ``spread`` is ``(low, high)`` for a modelled term; a term without
    one is certain, or as certain as its parts.
    """

    name: str
    bytes: int
    because: str
    basis: Basis = "exact"
    parts: tuple[Term, ...] = ()
    spread: tuple[int, int] | None = None

    @property
    def low(self) -> int:
        """The least this term may turn out to be, in bytes."""
        if self.spread is not None:
            return self.spread[0]
        return sum(part.low for part in self.parts) if self.parts else self.bytes

    @property
    def high(self) -> int:
        """The most this term may turn out to be, in bytes."""
        if self.spread is not None:
            return self.spread[1]
        return sum(part.high for part in self.parts) if self.parts else self.bytes


def total(name: str, because: str, *parts: Term) -> Term:
    """A term that is the sum of its parts, as weakly known as the weakest of them."""
    return Term(name, sum(part.bytes for part in parts), because, weakest(parts), parts)


def weakest(parts: tuple[Term, ...]) -> Basis:
    """The basis that a sum of these parts deserves."""
    strength: tuple[Basis, ...] = ("rule of thumb", "declared", "modelled", "measured", "exact")
    return min((part.basis for part in parts), key=strength.index, default="exact")


@dataclass(frozen=True, slots=True)
class Interval:
    """An amount of bytes that is not known exactly: it may turn out anywhere in ``[low, high]``. May be negative."""

    low: int
    expected: int
    high: int


@dataclass(frozen=True, slots=True)
class RankBytes:
    """What one pipeline stage's ranks hold: weights, and bytes of one KV block (None where there are no blocks).

    ``terms`` is all that is taken before the KV cache, ``available`` what that leaves for it.
    """

    pipeline_stage: int
    weights_bytes: int
    bytes_per_block: int | None
    terms: tuple[Term, ...] = ()
    available: Interval | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """The memory of the GPU that decides, by either estimator. Bytes per GPU.

    ``available`` is what is left for the KV cache; ``notes`` are sentences about what was assumed or chosen.
    ``free_bytes`` is what is free before the engine starts, where that is known and the release checks it, and
    ``slack_bytes`` what the share asked for leaves of the device, where it is checked. ``kv_is_fixed``: the KV cache
    was asked for in bytes, so that it is the device that must hold it.
    """

    estimator: Literal["startup", "closed_form"]
    memory_bytes: int
    requested_bytes: int
    weights: Term
    activations: Term | None
    cuda_graphs: Term | None
    non_torch: Term
    available: Interval
    max_model_len: int
    ranks: tuple[RankBytes, ...]
    block_size: int | None = None
    free_bytes: int | None = None
    slack_bytes: int | None = None
    kv_is_fixed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def terms(self) -> tuple[Term, ...]:
        """What is taken before the KV cache, largest concern first."""
        listed = (self.weights, self.activations, self.cuda_graphs, self.non_torch)
        return tuple(term for term in listed if term is not None)
