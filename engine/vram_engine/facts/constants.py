"""The few constants of the memory model, each with its band and the measurements behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from vram_engine.facts.tables import table


@dataclass(frozen=True, slots=True)
class Constant:
    """One number no formula gives: the expected ``value``, its band, its ``source`` and the boots behind it."""

    name: str
    value: int
    low: int
    high: int
    source: str
    fitted_on: tuple[str, ...]


@cache
def constants() -> Mapping[str, Constant]:
    """All constants by name. Unknown keys in the data are errors (``TypeError``)."""
    return MappingProxyType(
        {name: Constant(name, fitted_on=tuple(row.pop("fitted_on")), **row) for name, row in table("constants").items()}
    )


def constant(name: str) -> Constant:
    """One constant; ``KeyError`` for a name that is not in the data."""
    return constants()[name]
