"""Whether the constants only repeat the boots they were fitted on: each group of boots predicted without its own.

A constant that was fitted on boots of the group left out becomes the median of what the other boots of its list say.
Where its list has no other, the constants of its kind stand in (memory outside PyTorch in other accountings, say), and
at last all other boots. Everything else is structure and has nothing to leave out.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from unittest.mock import patch

from tests.corpus.cases import Case
from tests.corpus.predict import predict
from tests.corpus.score import Row
from vram_engine.facts import constants as facts
from vram_engine.facts.constants import Constant, constants
from vram_engine.sizing.budget import GIB, MIB

# What a log may print of the term that a constant belongs to, best first; the KV cache says what is left for it.
LEFT = ("kv", "available_kv_gib")
PRINTED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "non_torch": (("non_torch", "non_torch_gib"), LEFT),
    "nccl": (("non_torch", "non_torch_gib"), LEFT),
    "graph": (("graphs", "cuda_graph_estimate_gib"), ("captured", "cuda_graph_gib")),
}
STEP = MIB
# A term that moves less with the constant says nothing of it.
LEAST_SLOPE = 0.01


def left_out(scored: Sequence[Row], group: Callable[[Case], str]) -> list[float]:
    """KV errors in GiB of all boots, each with the constants that the boots of other groups give."""
    by_id = {row.case.id: row for row in scored}
    errors = []
    for name in sorted({group(row.case) for row in scored}):
        own = [row for row in scored if group(row.case) == name]
        rest = [row for row in scored if group(row.case) != name]
        refitted = {key: _without(one, by_id, rest) for key, one in constants().items()}
        with patch.object(facts, "constants", lambda refitted=refitted: refitted):
            again = [Row(row.case, predict(row.case)) for row in own]
        errors += [row.kv_error for row in again if row.kv_error is not None]
    return errors


def _without(one: Constant, by_id: Mapping[str, Row], rest: Sequence[Row]) -> Constant:
    fitted = [by_id[each] for each in one.fitted_on if each in by_id]
    others = [row for row in fitted if row in rest]
    if len(others) == len(fitted):
        return one
    said = _values(one, others) or _of_its_kind(one, by_id, rest) or _values(one, rest)
    return replace(one, value=min(max(round(statistics.median(said)), one.low), one.high)) if said else one


def _of_its_kind(one: Constant, by_id: Mapping[str, Row], rest: Sequence[Row]) -> list[float]:
    """What the boots of constants of the same kind, those left out apart, say of theirs."""
    kind = next((prefix for prefix in PRINTED if one.name.startswith(prefix)), one.name)
    kin = [each for each in constants().values() if each.name.startswith(kind) and each is not one]
    boots = {each.name: [by_id[name] for name in each.fitted_on if by_id.get(name) in rest] for each in kin}
    return [value for each in kin for value in _values(each, boots[each.name])]


def _values(one: Constant, boots: Sequence[Row]) -> list[float]:
    return [value for row in boots if (value := _implied(one, row)) is not None]


def _implied(one: Constant, row: Row) -> float | None:
    """The value with which this boot would come out exactly, everything else as it is."""
    moved = {**constants(), one.name: replace(one, value=one.value + STEP)}
    with patch.object(facts, "constants", lambda: moved):
        again = predict(row.case)
    for term, key in next((found for prefix, found in PRINTED.items() if one.name.startswith(prefix)), (LEFT,)):
        error, before, after = row.error(term, key), getattr(row.said, term), getattr(again, term)
        if error is not None and abs(after - before) > LEAST_SLOPE * STEP / GIB:
            return float(one.value - error * STEP / (after - before))
    return None
