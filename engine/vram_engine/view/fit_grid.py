"""What fits: lengths by concurrencies, each with the verdict the KV cache of this deployment would have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from vram_engine.estimate import Estimate
from vram_engine.plan import Plan

Fit = Literal["fits", "at-risk", "infeasible"]

_SHORTEST = 1024
_MOST_LENGTHS = 12
_CONCURRENCIES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True, slots=True)
class FitGrid:
    """``cells[row][column]`` is what ``concurrencies[column]`` requests of ``lengths[row]`` tokens would be."""

    lengths: tuple[int, ...]
    concurrencies: tuple[int, ...]
    cells: tuple[tuple[Fit, ...], ...]


def fit_grid(plan: Plan) -> FitGrid | None:
    """The grid at the budget of the plan: what is taken before the KV cache stays as it is. None without a budget."""
    sized = plan.estimate
    if not isinstance(sized, Estimate) or not sized.demand.is_cached:
        return None
    lengths = tuple(_lengths(sized.native_length, sized.budget.max_model_len))
    cells = tuple(tuple(_fit(sized, requests, length) for requests in _CONCURRENCIES) for length in lengths)
    return FitGrid(lengths, _CONCURRENCIES, cells)


def _lengths(native: int, asked: int) -> Iterator[int]:
    """Powers of two up to the model's own length, and the length asked for."""
    powers = [_SHORTEST << power for power in range(_MOST_LENGTHS) if _SHORTEST << power < native]
    yield from sorted({*powers, native, asked})


def _fit(sized: Estimate, requests: int, length: int) -> Fit:
    """As the verdict is: at the unkind end it fits, at the kind end alone it is at risk."""
    needed, available = sized.demand.required(requests, length), sized.budget.available
    if needed <= available.low and sized.demand.fits(available.low, length):
        return "fits"
    return "at-risk" if needed <= available.high and sized.demand.fits(available.high, length) else "infeasible"
