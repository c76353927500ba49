"""The few figures of the performance estimate that no model or data sheet gives, each with the ends of its range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from vram_engine.facts.tables import table

Cause: TypeAlias = Literal["memory", "waiting", "arithmetic", "link"]
# What makes a step slow, what is expected, what makes it fast.
End: TypeAlias = Literal["slow", "value", "fast"]


class Pace(NamedTuple):
    """For each cause, the end of the ranges of its figures; causes are independent, figures of one are not."""

    memory: End = "value"
    waiting: End = "value"
    arithmetic: End = "value"
    link: End = "value"


EXPECTED = Pace()
# One cause at a time at either end.
SLOWER = (Pace(memory="slow"), Pace(waiting="slow"), Pace(arithmetic="slow"), Pace(link="slow"))
FASTER = (Pace(memory="fast"), Pace(waiting="fast"), Pace(arithmetic="fast"), Pace(link="fast"))


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: what is expected, both ends of its range, and where they come from. Units are in the name."""

    name: str
    cause: Cause
    value: float
    slow: float
    fast: float
    source: str

    def at(self, pace: Pace) -> float:
        """The figure at a pace."""
        end: End = getattr(pace, self.cause)
        return self.value if end == "value" else self.slow if end == "slow" else self.fast


@cache
def figures() -> Mapping[str, Figure]:
    """All figures by name. Unknown keys in the data are errors (``TypeError``)."""
    return MappingProxyType({name: Figure(name, **row) for name, row in table("performance").items()})


def figure(name: str, pace: Pace) -> float:
    """One figure at a pace; ``KeyError`` for a name that is not in the data."""
    return figures()[name].at(pace)
