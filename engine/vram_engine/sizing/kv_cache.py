"""The KV cache of a deployment: blocks, what a request takes of them, and what a given memory holds.

Follows ``vllm/v1/core/kv_cache_utils.py``: layers form groups that draw blocks from one pool; a pool block is as
large as the widest group's pages; every pipeline stage is planned to the number of blocks of the poorest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from vram_engine.model.caches import (
    ChunkedLocal,
    CrossAttention,
    FullAttention,
    LayerCache,
    SlidingWindow,
    WindowedMLA,
)
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import model_runner
from vram_engine.sizing.kv_block_size import first_block_size, kernel_of
from vram_engine.sizing.kv_eras import KvEra, kv_era
from vram_engine.sizing.kv_format import cache_format
from vram_engine.sizing.kv_groups import KvGroup, Member, bytes_per_block, grouped, layers_by_stage
from vram_engine.sizing.kv_pages import NOTHING_KEPT, Mode, Paging, cache_spec
from vram_engine.sizing.kv_specs import CacheSpec, RequestLimits
from vram_engine.sizing.kv_states import mamba_mode, share_blocks
from vram_engine.sizing.kv_tuples import LayerTuples, tuple_layout
from vram_engine.sizing.parallelism import Refusal, pipeline_stages
from vram_engine.sizing.speculative import drafter, schedules_ahead
from vram_engine.sizing.weights import model_dtype

# What stands in for an unknown GPU where only the choice between 16-bit dtypes depends on it.
ANY_CAPABILITY = (8, 0)


class Pool(NamedTuple):
    """Groups, bytes of a block on each stage, and the accounts of older releases that differ from these."""

    groups: tuple[KvGroup, ...]
    bytes_per_block: tuple[int, ...]
    tuples: LayerTuples | None


@dataclass(frozen=True, slots=True)
class StageLayers:
    """Alike layers on one pipeline stage."""

    spec: CacheSpec
    stage: int
    layers: int


@dataclass(frozen=True, slots=True)
class KvLayout:
    """How vLLM lays out the KV cache. All bytes are per tensor-parallel rank; a stage is a pipeline stage.

    ``bytes_per_block`` has one entry per stage: a block holds a page of each layer of the stage's widest group.
    ``cache_dtype`` is the format keys and values are stored in. ``null_blocks`` are held back by the start-up check.
    ``checked`` are the layers that older versions add up in that check, before they are grouped; else it is ``None``.
    ``tuples`` are the accounts that older versions keep of pages of several sizes.
    ``capacity_by_blocks``: older versions print blocks times tokens as the size of the cache.
    """

    block_size: int
    cache_dtype: str
    mamba_cache_mode: Mode
    mamba_block_size: int | None
    groups: tuple[KvGroup, ...]
    bytes_per_block: tuple[int, ...]
    limits: RequestLimits
    null_blocks: int
    checked: tuple[StageLayers, ...] | None
    tuples: LayerTuples | None
    capacity_by_blocks: bool

    def blocks_per_group(self, max_model_len: int) -> tuple[int, ...]:
        """Blocks one request of ``max_model_len`` tokens takes in each group."""
        limits = self._limits(max_model_len)
        return tuple(group.blocks(limits) for group in self.groups)

    def blocks_for_one_request(self, max_model_len: int) -> int:
        """Pool blocks one request of ``max_model_len`` tokens takes, all groups together."""
        blocks = self.blocks_per_group(max_model_len)
        return sum(blocks) if self.tuples is None else self.tuples.request_blocks(blocks)

    def one_request_bytes(self, max_model_len: int) -> tuple[int, ...]:
        """Bytes one request takes on each stage (``_max_memory_usage_bytes_from_groups``)."""
        blocks = self.blocks_for_one_request(max_model_len)
        return tuple(blocks * stage for stage in self.bytes_per_block)

    def num_blocks(self, available: Sequence[int]) -> int:
        """Blocks of the pool, null block included, for ``available`` bytes per stage; a model without a cache has 1."""
        counts = [max(have, 0) // block for have, block in self._per_stage(available) if block]
        return min(counts, default=1)

    def max_concurrency(self, available: Sequence[int]) -> float:
        """Requests of the longest length that the pool holds (``get_max_concurrency_for_kv_cache_config``)."""
        blocks = self.blocks_for_one_request(self.limits.max_model_len)
        return self.num_blocks(available) / blocks if blocks else 0.0

    def capacity_tokens(self, available: Sequence[int]) -> int:
        """The "GPU KV cache size" that vLLM prints, in tokens (``get_kv_cache_capacity``)."""
        if not self.capacity_by_blocks or not self.groups:
            return int(self.max_concurrency(available) * self.limits.max_model_len)
        tokens = min(group.block_size for group in self.groups) * self.limits.decode_context_parallel_size
        return self.num_blocks(available) // len(self.groups) * tokens

    def fits(self, available: Sequence[int], max_model_len: int | None = None) -> bool:
        """Whether one request of the longest length fits, as vLLM checks at start-up."""
        if not self.groups:
            return True
        needed = self.needed_bytes(self.limits.max_model_len if max_model_len is None else max_model_len)
        return all(need <= have for have, need in zip(available, needed, strict=True))

    def needed_bytes(self, max_model_len: int) -> tuple[int, ...]:
        """Bytes of KV cache each stage must have for vLLM to accept ``max_model_len``, the null block included."""
        if self.tuples is not None:
            return (sum(self.blocks_per_group(max_model_len)) * self.tuples.checked_bytes,)
        if self.checked is None:
            blocks = self.blocks_for_one_request(max_model_len) + self.null_blocks
            return tuple(blocks * stage for stage in self.bytes_per_block)
        limits = self._limits(max_model_len)
        needed = [0] * len(self.bytes_per_block)
        for checked in self.checked:
            needed[checked.stage] += checked.layers * checked.spec.blocks(limits) * checked.spec.page_bytes
        return tuple(needed)

    def max_model_len_that_fits(self, available: Sequence[int], cap: int | None = None) -> int:
        """The longest ``max_model_len`` up to ``cap`` that fits, 0 when not one token does.

        A bisection as in ``_estimate_max_model_len_from_groups``; the need never falls as the length grows.
        """
        low, high = 0, self.limits.max_model_len if cap is None else cap
        while low < high:
            middle = (low + high + 1) // 2
            if self.fits(available, middle):
                low = middle
            else:
                high = middle - 1
        return low

    def on_stage(self, stage: int) -> KvLayout:
        """The layout as one pipeline stage sees it, so that memory is given and needed for that stage alone."""
        checked = None
        if self.checked is not None:
            checked = tuple(replace(alike, stage=0) for alike in self.checked if alike.stage == stage)
        return replace(self, bytes_per_block=(self.bytes_per_block[stage],), checked=checked)

    def _limits(self, max_model_len: int) -> RequestLimits:
        had = self.limits
        return RequestLimits(max_model_len, had.in_flight_tokens, had.encoder_tokens, had.decode_context_parallel_size)

    def _per_stage(self, available: Sequence[int]) -> zip[tuple[int, int]]:
        return zip(available, self.bytes_per_block, strict=True)


def kv_layout(
    spec: ModelSpec,
    args: EngineArgs,
    capability: tuple[int, int] | None,
    *,
    max_num_batched_tokens: int,
    max_model_len: int,
) -> KvLayout | Unavailable:
    """Lay out the KV cache of a model under ``args`` on GPUs of that CUDA compute capability (``None``: not CUDA).

    ``Unavailable`` says what is not known, or why vLLM would refuse.
    """
    era = kv_era(args.vllm_version)
    draft = drafter(spec, args)
    caches = spec.caches if draft is None else (*spec.caches, *draft.spec.caches)
    if args.disable_sliding_window:
        caches = tuple(_without_window(cache) for cache in caches)
    starts = _stage_starts(spec, args)
    if isinstance(starts, Unavailable):
        return starts
    paging = _paging(spec, caches, args, capability, max_model_len, era)
    if isinstance(paging, Unavailable):
        return paging
    members = _members(caches, paging)
    if isinstance(members, Unavailable):
        return members
    pool = _pool(members, starts, caches, args, era)
    if isinstance(pool, Unavailable):
        return pool
    return KvLayout(
        block_size=paging.block_size,
        cache_dtype=paging.stored,
        mamba_cache_mode=paging.mamba_cache_mode,
        mamba_block_size=paging.mamba_block_size,
        groups=pool.groups,
        bytes_per_block=pool.bytes_per_block,
        limits=RequestLimits(
            max_model_len,
            max_num_batched_tokens * concurrent_batches(spec, args, capability, era),
            _encoder_tokens(caches, max_num_batched_tokens, era),
            args.decode_context_parallel_size,
        ),
        null_blocks=era.null_blocks,
        checked=_checked(members, starts) if era.checked == "layers" else None,
        tuples=pool.tuples,
        capacity_by_blocks=era.capacity == "blocks",
    )


def _pool(
    members: tuple[Member, ...], starts: tuple[int, ...], caches: tuple[LayerCache, ...], args: EngineArgs, era: KvEra
) -> Pool | Unavailable:
    """The groups and the size of a block."""
    hybrid = _hybrid_manager(caches, args, era)
    mixed = any(isinstance(cache, WindowedMLA) for cache in caches)
    if not mixed or era.mixed_pages == "packed":
        groups = grouped(members, era, hybrid=hybrid, packed=mixed)
        return groups if isinstance(groups, Unavailable) else Pool(groups, bytes_per_block(groups, starts), None)
    if era.mixed_pages == "none" or len(starts) > 1 or not hybrid:
        return Unavailable(f"the KV cache of DeepSeek V4 in vLLM {args.vllm_version} is not known for these arguments")
    layout = tuple_layout(members, era)
    return (
        layout if isinstance(layout, Unavailable) else Pool(layout.groups, (layout.bytes_per_block,), layout.accounts)
    )


def concurrent_batches(spec: ModelSpec, args: EngineArgs, capability: tuple[int, int] | None, era: KvEra) -> int:
    """Batches whose tokens a window must still hold (``VllmConfig.max_concurrent_batches``); 1 in older versions.

    Asynchronous scheduling, on unless the model is served for pooling, keeps one more batch in flight.
    """
    stages = args.pipeline_parallel_size
    if era.in_flight == "batch":
        return 1
    if spec.runner == "pooling" or not schedules_ahead(args):
        return stages
    if model_runner(spec, args, capability) == "V2":
        return stages + 1
    return 2 if stages == 1 else stages


def _stage_starts(spec: ModelSpec, args: EngineArgs) -> tuple[int, ...] | Unavailable:
    """The first layer of each pipeline stage."""
    stages = args.pipeline_parallel_size
    if stages == 1:
        return (0,)
    highest = max((cache.layers[-1] for cache in spec.caches if cache.layers), default=0) + 1
    if not 0 < stages <= spec.num_layers or highest > spec.num_layers:
        return Unavailable(f"{spec.num_layers} layers cannot be cut into {stages} pipeline stages")
    return tuple(start for start, _ in pipeline_stages(spec.num_layers, stages))


def _checked(members: tuple[Member, ...], starts: tuple[int, ...]) -> tuple[StageLayers, ...]:
    return tuple(
        StageLayers(member.spec, stage, layers)
        for member in members
        for stage, layers in layers_by_stage(member.layers, starts).items()
    )


def _paging(
    spec: ModelSpec,
    caches: tuple[LayerCache, ...],
    args: EngineArgs,
    capability: tuple[int, int] | None,
    max_model_len: int,
    era: KvEra,
) -> Paging | Unavailable:
    """The formats, the mode and the blocks of this deployment."""
    dtype = model_dtype(spec, args, capability or ANY_CAPABILITY)
    if isinstance(dtype, Refusal):
        return Unavailable(dtype.message)
    cache_dtype = cache_format(spec, args, capability, era)
    if isinstance(cache_dtype, Unavailable):
        return cache_dtype
    mode = mamba_mode(spec, args, era)
    if isinstance(mode, Unavailable):
        return mode
    kernel = kernel_of(caches, cache_dtype, args.block_size, capability, args.vllm_version, era)
    if isinstance(kernel, Unavailable):
        return kernel
    block_size = first_block_size(kernel, args.block_size)
    if isinstance(block_size, Unavailable):
        return block_size
    paging = Paging(
        args.tensor_parallel_size,
        dtype,
        cache_dtype,
        block_size,
        mode,
        era.prefill_checkpoints,
        drafted=args.num_speculative_tokens,
    )
    return share_blocks(caches, paging, kernel, max_model_len, era)


def _members(caches: tuple[LayerCache, ...], paging: Paging) -> tuple[Member, ...] | Unavailable:
    members = []
    for cache in caches:
        spec = cache_spec(cache, paging)
        if isinstance(spec, Unavailable):
            return spec
        if spec.page_bytes <= 0:
            return Unavailable(NOTHING_KEPT)
        members.append(Member(spec, cache.layers))
    return tuple(members)


def _without_window(cache: LayerCache) -> LayerCache:
    """Full attention in place of a window that ``--disable-sliding-window`` lifts."""
    if not isinstance(cache, SlidingWindow) or cache.fixed:
        return cache
    return FullAttention(cache.layers, cache.kv_heads, cache.head_size, cache.head_size_v)


def _hybrid_manager(caches: tuple[LayerCache, ...], args: EngineArgs, era: KvEra) -> bool:
    """Whether layers of several kinds are told apart; with chunked attention only where vLLM's default allows."""
    chunked = any(isinstance(cache, ChunkedLocal) for cache in caches)
    return era.hybrid_manager and not args.disable_hybrid_kv_cache_manager and (era.chunked_hybrid or not chunked)


def _encoder_tokens(caches: tuple[LayerCache, ...], max_num_batched_tokens: int, era: KvEra) -> int:
    if era.encoder_budget:
        return max_num_batched_tokens
    return max((cache.encoder_tokens for cache in caches if isinstance(cache, CrossAttention)), default=0)
