"""How vLLM 0.20 to 0.28 laid out pages of several sizes: the layers of DeepSeek V4 in tuples of one layer per size.

Follows ``_get_kv_cache_groups_uniform_groups`` and ``_max_memory_usage_bytes_from_groups`` of those releases
(``vllm/v1/core/kv_cache_utils.py``). The full attention layers make one group and set the pattern; the layers of each
window are split so that their groups repeat the pattern about as often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vram_engine.model.spec import Unavailable
from vram_engine.sizing.kv_eras import KvEra
from vram_engine.sizing.kv_groups import KvGroup, Member, approximate_gcd
from vram_engine.sizing.kv_specs import CacheSpec, FullAttentionSpec, ceil_div

UNEVEN = "the pages of this model's layers do not fall into the pattern that this version of vLLM expects"


@dataclass(frozen=True, slots=True)
class LayerTuples:
    """The accounts of these releases where they are not blocks times bytes per block.

    ``checked_bytes`` is what the start-up check reserves for each block. ``weights`` are the bytes by which blocks of
    each group count for the concurrency, in units of the first; empty where all count alike.
    """

    checked_bytes: int
    weights: tuple[int, ...]

    def request_blocks(self, blocks: Sequence[int]) -> int:
        """Blocks of one request, given those in each group, as the concurrency counts them."""
        if not self.weights:
            return sum(blocks)
        weighted = sum(count * weight for count, weight in zip(blocks, self.weights, strict=True))
        return ceil_div(weighted, self.weights[0])


@dataclass(frozen=True, slots=True)
class TupleLayout:
    """Groups, the bytes of a pool block, and the accounts kept with them."""

    groups: tuple[KvGroup, ...]
    bytes_per_block: int
    accounts: LayerTuples


def tuple_layout(members: tuple[Member, ...], era: KvEra) -> TupleLayout | Unavailable:
    """The layout of full attention and windows with pages of several sizes, on a single pipeline stage."""
    members = _joined(members)
    full = tuple(member for member in members if isinstance(member.spec, FullAttentionSpec))
    if not full:
        return Unavailable(UNEVEN)
    sizes = {member.spec.page_bytes for member in full}
    kinds = [full, *_windows(members)]
    repeats = [_repeats(kind) for kind in kinds]
    part = approximate_gcd(repeats, repeats[0])
    groups = [KvGroup(full)]
    for window in kinds[1:]:
        padded = window if era.mixed_pages == "stride" else _padded(window, sizes)
        if padded is None or len({len(member.layers) for member in padded}) > 1:
            return Unavailable(UNEVEN)
        groups += _dealt(padded, ceil_div(len(padded[0].layers), part))
    tuples = max(_repeats(group.members) for group in groups)
    pages = [sum(member.spec.page_bytes * len(member.layers) for member in group.members) for group in groups]
    weights = () if era.mixed_pages == "stride" else tuple(pages)
    block = _bytes_per_block(groups, pages, tuples * sum(sizes), era)
    return TupleLayout(tuple(groups), block, LayerTuples(tuples * sum(sizes), weights))


def _joined(members: Iterable[Member]) -> tuple[Member, ...]:
    """Layers of the same kind together, those that draft behind the model's."""
    alike: dict[CacheSpec, tuple[int, ...]] = {}
    for member in members:
        alike[member.spec] = (*alike.get(member.spec, ()), *member.layers)
    return tuple(Member(spec, layers) for spec, layers in alike.items())


def _windows(members: Iterable[Member]) -> list[tuple[Member, ...]]:
    """The layers of each window, in the order in which the windows appear."""
    alike: dict[tuple[object, ...], list[Member]] = {}
    for member in members:
        if not isinstance(member.spec, FullAttentionSpec):
            alike.setdefault(member.spec.uniform_key, []).append(member)
    return [tuple(window) for window in alike.values()]


def _layers_by_page(members: Iterable[Member]) -> Counter[int]:
    layers: Counter[int] = Counter()
    for member in members:
        layers[member.spec.page_bytes] += len(member.layers)
    return layers


def _repeats(members: Iterable[Member]) -> int:
    """Layers of the most common page size."""
    return max(_layers_by_page(members).values())


def _padded(window: tuple[Member, ...], sizes: set[int]) -> tuple[Member, ...] | None:
    """Pages as large as the next larger one of full attention; ``None`` where two sizes would become one."""
    padded = []
    for member in window:
        page = min((size for size in sizes if size >= member.spec.page_bytes), default=None)
        if page is None:
            return None
        padded.append(replace(member, spec=replace(member.spec, page_bytes=page)))
    return tuple(padded) if len({member.spec.page_bytes for member in padded}) == len(padded) else None


def _dealt(window: tuple[Member, ...], parts: int) -> list[KvGroup]:
    return [
        KvGroup(tuple(replace(member, layers=member.layers[first::parts]) for member in window))
        for first in range(parts)
    ]


def _bytes_per_block(groups: Sequence[KvGroup], pages: Sequence[int], tuples: int, era: KvEra) -> int:
    """Whole tuples in 0.20 to 0.22, a slot per layer and size in 0.23 to 0.26, the widest group after that."""
    if era.mixed_pages == "tuples":
        return tuples
    if era.mixed_pages == "stride":
        return max(pages)
    slots: dict[int, int] = {}
    for group in groups:
        for page, layers in _layers_by_page(group.members).items():
            slots[page] = max(slots.get(page, 0), layers)
    return sum(page * layers for page, layers in slots.items())
