"""The KV cache in words: what a block holds, which layers share a block table, and what one request takes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from vram_engine.estimate import Estimate
from vram_engine.plan import Plan
from vram_engine.sizing.demand import PagedDemand
from vram_engine.sizing.kv_cache import KvLayout
from vram_engine.sizing.kv_groups import KvGroup
from vram_engine.sizing.kv_specs import (
    CacheSpec,
    ChunkedLocalSpec,
    CrossAttentionSpec,
    EveryStateSpec,
    LatentSpec,
    MambaSpec,
    SlidingWindowSpec,
)

_KINDS: tuple[tuple[type[CacheSpec], str], ...] = (
    (LatentSpec, "latent attention"),
    (ChunkedLocalSpec, "chunked attention"),
    (CrossAttentionSpec, "cross attention"),
    (EveryStateSpec, "recurrent states"),
    (MambaSpec, "a recurrent state"),
)
_STORED = {"auto": "in the model's dtype"}


def kv_explained(plan: Plan) -> tuple[str, ...]:
    """The way from layers to blocks to requests on the GPU that decides, a step a line; empty for the rule of thumb."""
    if not isinstance(plan.estimate, Estimate) or plan.estimate.layout is None or plan.feasibility is None:
        return ()
    demand, per_block = plan.estimate.demand, plan.estimate.bytes_per_block
    if not isinstance(demand, PagedDemand):
        return ()
    if per_block is None:
        return ("none: this model keeps no keys and values between steps",)
    length = plan.estimate.budget.max_model_len
    return (
        f"a block is {per_block:,} bytes: one page of each layer of the widest group, {_stored(demand.layout)}",
        *_group_lines(plan.estimate.layout, length),
        *_request_lines(plan.estimate, demand.layout, per_block, length),
    )


def _stored(layout: KvLayout) -> str:
    return _STORED.get(layout.cache_dtype, f"in {layout.cache_dtype}")


def _group_lines(layout: KvLayout, length: int) -> Iterator[str]:
    """Groups that are alike on one line."""
    blocks = layout.blocks_per_group(length)
    alike = Counter(
        (_layers(group), group.block_size, count) for group, count in zip(layout.groups, blocks, strict=True)
    )
    for (layers, size, count), groups in alike.items():
        number = "1 group" if groups == 1 else f"{groups} groups"
        noun = "block" if count == 1 else "blocks"
        yield f"{number} of {layers}: {count:,} {noun} of {size:,} tokens a request"


def _layers(group: KvGroup) -> str:
    """``4 layers of full attention``, kinds with their number of layers."""
    kinds: Counter[str] = Counter()
    for member in group.members:
        kinds[_kind(member.spec)] += len(member.layers)
    return ", ".join(f"{count} {'layer' if count == 1 else 'layers'} of {kind}" for kind, count in kinds.items())


def _kind(spec: CacheSpec) -> str:
    if isinstance(spec, SlidingWindowSpec):
        return f"attention to a window of {spec.window:,}"
    return next((words for kind, words in _KINDS if isinstance(spec, kind)), "full attention")


def _request_lines(estimate: Estimate, layout: KvLayout, per_block: int, length: int) -> Iterator[str]:
    blocks = layout.blocks_for_one_request(length)
    yield f"one request of {length:,} tokens: {blocks:,} blocks = {blocks * per_block:,} bytes per GPU"
    pool = max(estimate.budget.available.expected, 0) // per_block
    if pool and blocks:
        yield f"the pool: {pool:,} blocks = {pool / blocks:.2f} such requests"
