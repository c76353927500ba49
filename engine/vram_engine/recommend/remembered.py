"""The KV cache of one sizing as questions whose answers are kept: a search asks about the same lengths many times."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from vram_engine.sizing.demand import KvDemand, PagedDemand, largest


@dataclass(frozen=True, slots=True)
class Remembered:
    """A ``PagedDemand`` with the same answers; bytes by length, as start-up checks and as one request takes them."""

    demand: PagedDemand
    checked: dict[int, int] = field(default_factory=dict)
    taken: dict[int, int] = field(default_factory=dict)

    @property
    def is_cached(self) -> bool:
        """Whether a block holds anything."""
        return self.demand.is_cached

    def one_request(self, length: int) -> int:
        """Bytes that one request of ``length`` tokens takes."""
        if length not in self.taken:
            self.taken[length] = self.demand.one_request(length)
        return self.taken[length]

    def required(self, concurrency: int, length: int) -> int:
        """Bytes that ``concurrency`` requests of ``length`` tokens take."""
        whole, waste = concurrency * self.one_request(length), self.demand.fragmentation
        return whole if waste == _NO_WASTE else round(whole * waste)

    def fits(self, available: int, length: int) -> bool:
        """vLLM's start-up check."""
        if not self.is_cached or not self.demand.layout.groups:
            return True
        if length not in self.checked:
            self.checked[length] = self.demand.layout.needed_bytes(length)[0]
        return self.checked[length] <= available

    def max_concurrency(self, available: int, length: int) -> float:
        """How many requests of ``length`` tokens fit at once."""
        return self.demand.max_concurrency(available, length)

    def max_length(self, available: int, concurrency: int, cap: int) -> int:
        """The longest length, up to ``cap``, at which ``concurrency`` requests fit."""
        return largest(
            cap, lambda length: self.fits(available, length) and self.required(concurrency, length) <= available
        )


_NO_WASTE = Fraction(1)


def remembered(demand: KvDemand) -> KvDemand:
    """``demand`` with its answers kept; the rule of thumb is quick enough as it is."""
    return Remembered(demand) if isinstance(demand, PagedDemand) else demand
