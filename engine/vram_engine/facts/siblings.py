"""Which repositories hold a model's weights in fewer bits, for models that are in the catalogue."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from vram_engine.facts.tables import table


@dataclass(frozen=True, slots=True)
class Siblings:
    """One model and its quantized repositories; ``mirrors`` hold the very same weights as ``base``."""

    base: str
    quantized: tuple[str, ...]
    source: str
    checked: datetime.date
    mirrors: tuple[str, ...] = ()


@cache
def all_siblings() -> Mapping[str, Siblings]:
    """Every row by its base model. Unknown keys in the data are errors (``TypeError``)."""
    return MappingProxyType({base: _row(base, **row) for base, row in table("siblings").items()})


def quantized_siblings(model_id: str) -> tuple[str, ...]:
    """Ids of the quantized repositories of ``model_id``, or of its base where it is one of them; never itself."""
    wanted = model_id.casefold()
    row = _by_any_id().get(wanted)
    return () if row is None else tuple(each for each in row.quantized if each.casefold() != wanted)


def _row(base: str, *, quantized: list[str], mirrors: tuple[str, ...] = (), **row: Any) -> Siblings:
    return Siblings(base, tuple(quantized), mirrors=tuple(mirrors), **row)


@cache
def _by_any_id() -> Mapping[str, Siblings]:
    rows = all_siblings().values()
    return MappingProxyType({name.casefold(): row for row in rows for name in (row.base, *row.mirrors, *row.quantized)})
