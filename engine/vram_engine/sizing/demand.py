"""What a workload takes of the KV cache of one GPU: the same questions for both estimators.

``available`` is bytes of KV cache on the GPU that decides (the fullest rank); lengths are in tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from vram_engine.sizing.closed_form import RoughBudget
from vram_engine.sizing.kv_cache import KvLayout

# Far above any context or batch, so that a bisection ends quickly and a tiny model does not claim billions.
_MOST_REQUESTS = 1_000_000


class KvDemand(Protocol):
    """The KV cache as questions."""

    @property
    def is_cached(self) -> bool:
        """Whether there is a KV cache at all; encoders have none, and vLLM then checks nothing."""

    def one_request(self, length: int) -> int:
        """Bytes that one request of ``length`` tokens takes."""

    def required(self, concurrency: int, length: int) -> int:
        """Bytes that ``concurrency`` requests of ``length`` tokens take."""

    def fits(self, available: int, length: int) -> bool:
        """Whether one request of ``length`` tokens can be served at all."""

    def max_concurrency(self, available: int, length: int) -> float:
        """How many requests of ``length`` tokens fit at once."""

    def max_length(self, available: int, concurrency: int, cap: int) -> int:
        """The longest length, up to ``cap``, at which ``concurrency`` requests fit; 0 when none does."""


@dataclass(frozen=True, slots=True)
class PagedDemand:
    """vLLM's own arithmetic: whole blocks, one of them reserved. ``layout`` has the deciding stage only."""

    layout: KvLayout
    fragmentation: Fraction = Fraction(1)

    @property
    def is_cached(self) -> bool:
        """Whether a block holds anything."""
        return self.layout.bytes_per_block[0] > 0

    def one_request(self, length: int) -> int:
        """Blocks of one request x bytes per block."""
        return self.layout.one_request_bytes(length)[0]

    def required(self, concurrency: int, length: int) -> int:
        """Requests share nothing but the pool, so the need is a multiple; times what the file allows for waste."""
        return round(concurrency * self.one_request(length) * self.fragmentation)

    def fits(self, available: int, length: int) -> bool:
        """vLLM's start-up check."""
        return not self.is_cached or self.layout.fits((available,), length)

    def max_concurrency(self, available: int, length: int) -> float:
        """Blocks of the pool over blocks of a request."""
        blocks = self.layout.blocks_for_one_request(length)
        if not self.is_cached or blocks == 0:
            return float(_MOST_REQUESTS)
        return max(available, 0) // self.layout.bytes_per_block[0] / blocks

    def max_length(self, available: int, concurrency: int, cap: int) -> int:
        """A bisection: more tokens never need less."""
        return largest(
            cap, lambda length: self.fits(available, length) and self.required(concurrency, length) <= available
        )


@dataclass(frozen=True, slots=True)
class RoughDemand:
    """The rule of thumb: linear in tokens and requests, an equal share on each GPU of the group."""

    budget: RoughBudget

    @property
    def is_cached(self) -> bool:
        """The rule of thumb knows decoders only."""
        return True

    def one_request(self, length: int) -> int:
        """One request's share on one GPU."""
        return self.required(1, length)

    def required(self, concurrency: int, length: int) -> int:
        """The group's KV cache divided by its GPUs."""
        return self.budget.kv_bytes(concurrency, length) // self.budget.asked.tensor_parallel_size

    def fits(self, available: int, length: int) -> bool:
        """Whether one request's share fits."""
        return self.required(1, length) <= available

    def max_concurrency(self, available: int, length: int) -> float:
        """Available over needed."""
        return max(available, 0) / max(self.required(1, length), 1)

    def max_length(self, available: int, concurrency: int, cap: int) -> int:
        """A bisection, as for the exact arithmetic."""
        return largest(cap, lambda length: self.required(concurrency, length) <= available)


def largest(cap: int, holds: Callable[[int], bool]) -> int:
    """The largest number up to ``cap`` for which ``holds``; it must hold below any number for which it does."""
    low, high = 0, cap
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
