"""Which layers share a block table, and how large a block is: vLLM's grouping of layers of several kinds.

Follows ``get_kv_cache_groups`` and its parts in ``vllm/v1/core/kv_cache_utils.py``. A group holds ``Member``s: alike
layers with their indices, so that each pipeline stage can be asked for its share of a block.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from vram_engine.model.spec import Unavailable
from vram_engine.sizing.kv_eras import KvEra
from vram_engine.sizing.kv_specs import (
    CacheSpec,
    ChunkedLocalSpec,
    FullAttentionSpec,
    LatentSpec,
    MambaSpec,
    RequestLimits,
    SlidingWindowSpec,
    ceil_div,
)


@dataclass(frozen=True, slots=True)
class Member:
    """Alike layers of one group."""

    spec: CacheSpec
    layers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KvGroup:
    """Layers that share one block table."""

    members: tuple[Member, ...]

    def blocks(self, limits: RequestLimits) -> int:
        """Blocks one request of the longest length takes."""
        return max(member.spec.blocks(limits) for member in self.members)

    def pages_by_stage(self, starts: Sequence[int]) -> Mapping[int, int]:
        """Bytes of the group's pages in one block, for each pipeline stage that has any of its layers."""
        pages: Counter[int] = Counter()
        for member in self.members:
            for stage, layers in layers_by_stage(member.layers, starts).items():
                pages[stage] += layers * member.spec.page_bytes
        return pages

    @property
    def block_size(self) -> int:
        """Tokens of a block."""
        return self.members[0].spec.block_size

    @property
    def layers(self) -> int:
        """Layers of the group, counted once per cache."""
        return sum(len(member.layers) for member in self.members)


def layers_by_stage(layers: Sequence[int], starts: Sequence[int]) -> Mapping[int, int]:
    """How many of ``layers`` each pipeline stage runs; ``starts`` are the first layers of the stages."""
    if len(starts) == 1:
        return {0: len(layers)}
    return Counter(bisect_right(starts, layer) - 1 for layer in layers)


def bytes_per_block(groups: Iterable[KvGroup], starts: Sequence[int]) -> tuple[int, ...]:
    """Bytes of a pool block on each pipeline stage: as large as the widest group there."""
    widest = [0] * len(starts)
    for group in groups:
        for stage, size in group.pages_by_stage(starts).items():
            widest[stage] = max(widest[stage], size)
    return tuple(widest)


def grouped(
    members: tuple[Member, ...], era: KvEra, *, hybrid: bool, packed: bool
) -> tuple[KvGroup, ...] | Unavailable:
    """Split layers into groups. ``hybrid``: the hybrid manager is on; ``packed``: a block holds pages of any size."""
    if not hybrid:
        promoted = as_full_attention(members)
        if isinstance(promoted, Unavailable):
            return promoted
        members = promoted
    if not members:
        return ()
    merged = merge_alike(members)
    if len(merged) == 1 or len({member.spec.uniform_key for member in merged}) == 1:
        return (KvGroup(merged),)
    if packed and len({member.spec.page_bytes for member in merged}) > 1:
        return packed_groups(merged)
    evened = even_pages(merged, era)
    return evened if isinstance(evened, Unavailable) else split_evenly(merge_alike(evened), era.growth)


def merge_alike(members: tuple[Member, ...]) -> tuple[Member, ...]:
    """Members with equal specs as one, layers in order, in the order in which the kinds appear."""
    alike: dict[CacheSpec, list[tuple[int, ...]]] = {}
    for member in members:
        alike.setdefault(member.spec, []).append(member.layers)
    return tuple(
        Member(spec, parts[0] if len(parts) == 1 else tuple(sorted(layer for part in parts for layer in part)))
        for spec, parts in alike.items()
    )


def as_full_attention(members: tuple[Member, ...]) -> tuple[Member, ...] | Unavailable:
    """Windows and chunks allocated like full attention (``_promote_local_kv_cache_specs``)."""
    if len({member.spec.uniform_key for member in members}) <= 1:
        return members
    promoted = members
    if any(isinstance(member.spec, FullAttentionSpec) for member in members):
        promoted = tuple(replace(member, spec=_promoted(member.spec)) for member in members)
    if len({member.spec.uniform_key for member in promoted}) > 1:
        return Unavailable("vLLM cannot serve this model without the hybrid KV cache manager")
    return promoted


def _promoted(spec: CacheSpec) -> CacheSpec:
    if isinstance(spec, SlidingWindowSpec | ChunkedLocalSpec):
        return FullAttentionSpec(spec.block_size, spec.page_bytes, spec.content)
    return spec


def even_pages(members: tuple[Member, ...], era: KvEra) -> tuple[Member, ...] | Unavailable:
    """All pages as large as the largest: by larger blocks, else by padding (``unify_kv_cache_spec_page_size``)."""
    largest = max(member.spec.page_bytes for member in members)
    evened = []
    for member in members:
        spec = _evened(member.spec, largest, era)
        if spec is None:
            return Unavailable("vLLM cannot even out the page sizes of this model's layers")
        evened.append(replace(member, spec=spec))
    return tuple(evened)


def _evened(spec: CacheSpec, largest: int, era: KvEra) -> CacheSpec | None:
    if spec.page_bytes == largest:
        return spec
    if not era.scales_blocks:
        return None
    if isinstance(spec, MambaSpec):
        return replace(spec, page_bytes=largest) if era.pads_attention else None
    if largest % spec.page_bytes == 0:
        return replace(spec, block_size=spec.block_size * (largest // spec.page_bytes), page_bytes=largest)
    if era.pads_attention and not isinstance(spec, LatentSpec):
        return replace(spec, page_bytes=largest)
    return None


def split_evenly(kinds: tuple[Member, ...], growth: Fraction) -> tuple[KvGroup, ...]:
    """Groups of equal size: the smallest kind's, or the largest's if that is not much more.

    The layers of a kind are dealt out in turn, so that each pipeline stage gets its share of every group.
    """
    counts = [len(kind.layers) for kind in kinds]
    size = max(counts) if max(counts) < growth * min(counts) else min(counts)
    groups: list[KvGroup] = []
    for kind in kinds:
        number = ceil_div(len(kind.layers), size)
        groups.extend(KvGroup((replace(kind, layers=kind.layers[first::number]),)) for first in range(number))
    return tuple(groups)


@dataclass(frozen=True, slots=True)
class _Bucket:
    """Layers that need the same token slots; ``repeats`` is how often its pattern of page sizes recurs."""

    members: tuple[Member, ...]

    @property
    def layers_by_page(self) -> dict[int, int]:
        """Layers of each page size."""
        counts: Counter[int] = Counter()
        for member in self.members:
            counts[member.spec.page_bytes] += len(member.layers)
        return counts

    @property
    def balanced(self) -> bool:
        """Whether every page size has equally many layers."""
        return len(set(self.layers_by_page.values())) == 1

    @property
    def repeats(self) -> int:
        """Layers of the most common page size."""
        return max(self.layers_by_page.values())

    @property
    def holds_states(self) -> bool:
        """Whether its layers keep a state."""
        return isinstance(self.members[0].spec, MambaSpec)

    @property
    def slides(self) -> bool:
        """Whether its layers keep a window."""
        return isinstance(self.members[0].spec, SlidingWindowSpec)

    def widest(self, parts: int) -> int:
        """Bytes of the largest of ``parts`` parts in one block."""
        return sum(ceil_div(count, parts) * page for page, count in self.layers_by_page.items())


def packed_groups(members: tuple[Member, ...]) -> tuple[KvGroup, ...]:
    """Groups whose pages lie side by side in a block, whatever their sizes (``_get_packed_kv_cache_groups``)."""
    alike: dict[tuple[object, ...], list[Member]] = {}
    for member in members:
        alike.setdefault(member.spec.uniform_key, []).append(member)
    buckets = [_Bucket(tuple(bucket)) for bucket in alike.values()]
    repeats = _repeats_per_group(buckets)
    anchor = max(bucket.widest(_parts_at_least(bucket, repeats)) for bucket in buckets)
    return tuple(group for bucket in buckets for group in _dealt(bucket, _parts(bucket, repeats, anchor)))


def _repeats_per_group(buckets: list[_Bucket]) -> int | None:
    """How many repeats of its pattern a group gets, so that little is padded; ``None`` where no sizes are mixed."""
    balanced = [bucket for bucket in buckets if bucket.balanced]
    least = max((bucket.repeats for bucket in balanced if len(bucket.layers_by_page) > 1), default=0)
    return approximate_gcd([bucket.repeats for bucket in balanced], least) if least else None


def approximate_gcd(values: list[int], least: int) -> int:
    """The number from ``least`` up to the largest value whose multiples above the values waste least; ties go up."""
    candidates = range(least, max(values) + 1)
    return min(candidates, key=lambda size: (sum(-value % size for value in values), -size), default=least)


def _is_state(bucket: _Bucket, repeats: int | None) -> bool:
    return bucket.holds_states or (repeats is None and bucket.slides)


def _by_pattern(bucket: _Bucket, repeats: int | None) -> int:
    return ceil_div(bucket.repeats, repeats) if repeats and bucket.balanced else 1


def _parts_at_least(bucket: _Bucket, repeats: int | None) -> int:
    if _is_state(bucket, repeats):
        return sum(len(member.layers) for member in bucket.members)
    return _by_pattern(bucket, repeats)


def _parts(bucket: _Bucket, repeats: int | None, anchor: int) -> int:
    """Parts a bucket is split into; states are split so far that they do not widen the block."""
    parts = _by_pattern(bucket, repeats)
    if not _is_state(bucket, repeats):
        return parts
    per_block = max(anchor // bucket.members[0].spec.page_bytes, 1)
    return max(parts, ceil_div(sum(len(member.layers) for member in bucket.members), per_block))


def _dealt(bucket: _Bucket, parts: int) -> list[KvGroup]:
    if parts == 1:
        return [KvGroup(bucket.members)]
    groups = []
    for first in range(parts):
        dealt = (replace(member, layers=member.layers[first::parts]) for member in bucket.members)
        groups.append(KvGroup(tuple(member for member in dealt if member.layers)))
    return groups
