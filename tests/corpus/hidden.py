"""Boots with the bands that they would have if the arguments their excerpts hide could be anything usual.

A user's file shows its arguments, so that this says nothing of the width of the tool's bands: only whether a boot that
lies outside of them does so for what the engine got wrong, or for what nobody can read any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from tests.corpus.predict import predict
from tests.corpus.score import Row, present

# What people set these to, from the least to the most that the boots of the corpus state.
USUAL: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"max_num_seqs": (1, 16, 64, 1024, 2048), "max_num_batched_tokens": (2048, 8192, 16384, 40960)}
)


def widened(scored: Sequence[Row]) -> list[Row]:
    """Each boot that has a KV cache, with the band from the lowest to the highest over its hidden arguments."""
    return [_widened(row) for row in scored if row.kv_error is not None]


def _widened(row: Row) -> Row:
    args = row.case.args
    others = [
        predict(replace(row.case, args=replace(args, **{name: value})))
        for name, values in USUAL.items()
        if getattr(args, name) is None
        for value in values
    ]
    low = min(present([row.said.kv_low, *(said.kv_low for said in others)]))
    high = max(present([row.said.kv_high, *(said.kv_high for said in others)]))
    return Row(row.case, replace(row.said, kv_low=low, kv_high=high))
