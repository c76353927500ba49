"""From what a layer keeps to the bytes of its pages on one rank: heads shared out, formats and paddings applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import singledispatch
from types import MappingProxyType
from typing import Literal

from vram_engine.model.caches import (
    MLA,
    BlockIndexer,
    ChunkedLocal,
    CompressedIndexer,
    CompressedMLA,
    CompressorState,
    CrossAttention,
    FullAttention,
    Indexer,
    LayerCache,
    Mamba,
    SlidingWindow,
    WindowedMLA,
)
from vram_engine.model.spec import Unavailable
from vram_engine.sizing.kv_dtypes import (
    INDEX_KEY_BYTES,
    PACKED_V4_LATENT,
    STATE_BYTES,
    V4_PAGE_ALIGNMENT,
    head_bytes,
    latent_bytes,
)
from vram_engine.sizing.kv_specs import (
    CacheSpec,
    ChunkedLocalSpec,
    CrossAttentionSpec,
    EveryStateSpec,
    FullAttentionSpec,
    LatentSpec,
    MambaSpec,
    SlidingWindowSpec,
    ceil_div,
)

Mode = Literal["none", "align", "all"]

# States one request holds: the running one, and in mode "align" the one before it. In mode "all", one per block.
STATES: Mapping[str, int] = MappingProxyType({"none": 1, "align": 2})

# Blocks of the caches of DeepSeek V4 that do not follow the model's own (sparse_swa.py, compressor.py).
V4_WINDOW_BLOCK = 64
V4_STATE_BLOCKS = {4: 4, 128: 8}
FLOAT32_BYTES = 4

NOTHING_KEPT = "some layers of this model keep nothing in the KV cache"


@dataclass(frozen=True, slots=True)
class Paging:
    """What turns a cache into pages: the rank's share, the formats, and the blocks.

    ``state_page`` is what a state's page is padded to, ``None`` for its own size. ``drafted`` tokens a step make
    states larger, and as many more of them.
    """

    tp: int
    dtype: str
    cache_dtype: str
    block_size: int
    mamba_cache_mode: Mode
    prefill_checkpoints: bool
    mamba_block_size: int | None = None
    state_page: int | None = None
    drafted: int = 0

    @property
    def stored(self) -> str:
        """The format of keys and values."""
        return self.dtype if self.cache_dtype == "auto" else self.cache_dtype


@singledispatch
def cache_spec(cache: LayerCache, paging: Paging) -> CacheSpec | Unavailable:
    """The pages of one layer of ``cache`` on one rank."""
    del paging
    return Unavailable(f"the pages of {type(cache).__name__} are not known")


@cache_spec.register
def _(cache: FullAttention, paging: Paging) -> CacheSpec | Unavailable:
    paging = replace(paging, cache_dtype="auto") if cache.native else paging
    heads = heads_page(cache.kv_heads, cache.head_size, cache.head_size_v, paging)
    return heads if isinstance(heads, Unavailable) else FullAttentionSpec(paging.block_size, *heads)


@cache_spec.register
def _(cache: SlidingWindow, paging: Paging) -> CacheSpec | Unavailable:
    heads = heads_page(cache.kv_heads, cache.head_size, cache.head_size_v, paging)
    return heads if isinstance(heads, Unavailable) else SlidingWindowSpec(paging.block_size, *heads, cache.window)


@cache_spec.register
def _(cache: ChunkedLocal, paging: Paging) -> CacheSpec | Unavailable:
    heads = heads_page(cache.kv_heads, cache.head_size, cache.head_size, paging)
    return heads if isinstance(heads, Unavailable) else ChunkedLocalSpec(paging.block_size, *heads, cache.chunk)


@cache_spec.register
def _(cache: CrossAttention, paging: Paging) -> CacheSpec | Unavailable:
    heads = heads_page(cache.kv_heads, cache.head_size, cache.head_size, paging)
    return heads if isinstance(heads, Unavailable) else CrossAttentionSpec(paging.block_size, *heads)


@cache_spec.register
def _(cache: MLA, paging: Paging) -> CacheSpec | Unavailable:
    token = latent_bytes(paging.stored, cache.head_size)
    if token is None:
        return Unavailable(f"latent attention (MLA) with a KV cache of {paging.stored} is not known")
    return LatentSpec(paging.block_size, paging.block_size * token, ("latent", cache.head_size, paging.stored))


@cache_spec.register
def _(cache: Indexer, paging: Paging) -> CacheSpec | Unavailable:
    return LatentSpec(paging.block_size, paging.block_size * cache.token_bytes, ("indexer", cache.token_bytes))


@cache_spec.register
def _(cache: BlockIndexer, paging: Paging) -> CacheSpec | Unavailable:
    page = paging.block_size * cache.head_size * INDEX_KEY_BYTES
    return LatentSpec(paging.block_size, page, ("block indexer", cache.head_size))


@cache_spec.register
def _(cache: CompressedMLA, paging: Paging) -> CacheSpec | Unavailable:
    page = _v4_page(paging.block_size // cache.ratio * PACKED_V4_LATENT)
    return LatentSpec(paging.block_size, page, ("compressed", cache.head_size, cache.ratio))


@cache_spec.register
def _(cache: CompressedIndexer, paging: Paging) -> CacheSpec | Unavailable:
    page = _v4_page(paging.block_size // cache.ratio * cache.token_bytes)
    return LatentSpec(paging.block_size, page, ("compressed indexer", cache.token_bytes, cache.ratio))


@cache_spec.register
def _(cache: WindowedMLA, paging: Paging) -> CacheSpec | Unavailable:
    del paging
    page = _v4_page(V4_WINDOW_BLOCK * PACKED_V4_LATENT)
    return SlidingWindowSpec(V4_WINDOW_BLOCK, page, ("windowed latent", cache.head_size), cache.window)


@cache_spec.register
def _(cache: CompressorState, paging: Paging) -> CacheSpec | Unavailable:
    del paging
    block = V4_STATE_BLOCKS[cache.ratio]
    # Windows of four tokens overlap, so that two of them are alive.
    window = cache.ratio * (2 if cache.ratio == 4 else 1)
    page = _v4_page(block * cache.state_dim * FLOAT32_BYTES)
    return SlidingWindowSpec(block, page, ("compressor", cache.state_dim), window)


@cache_spec.register
def _(cache: Mamba, paging: Paging) -> CacheSpec | Unavailable:
    state = state_bytes(cache, paging)
    if isinstance(state, Unavailable):
        return state
    page = state if paging.state_page is None else paging.state_page
    content = (type(cache).__name__, replace(cache, layers=()))
    block_size = paging.mamba_block_size or paging.block_size
    if paging.mamba_cache_mode == "all":
        return EveryStateSpec(block_size, page, content, paging.drafted)
    exported = paging.prefill_checkpoints and paging.mamba_cache_mode == "align" and cache.exports_checkpoints
    states = STATES[paging.mamba_cache_mode] + paging.drafted + int(exported)
    return MambaSpec(block_size, page, content, states)


def heads_page(
    kv_heads: int, head_size: int, head_size_v: int, paging: Paging
) -> tuple[int, tuple[object, ...]] | Unavailable:
    """Bytes of a page of keys and values on one rank, and what identifies its layout."""
    local = local_kv_heads(kv_heads, paging.tp)
    if isinstance(local, Unavailable):
        return local
    token = head_bytes(paging.stored, head_size, head_size_v)
    if token is None:
        return Unavailable(f"a KV cache of {paging.stored} with heads of {head_size} and {head_size_v} is not known")
    return paging.block_size * local * token, ("heads", local, head_size, head_size_v, paging.stored)


def local_kv_heads(kv_heads: int, tp: int) -> int | Unavailable:
    """KV heads on one rank: a share of them, or one that several ranks hold alike."""
    if kv_heads >= tp and kv_heads % tp == 0:
        return kv_heads // tp
    if 0 < kv_heads < tp and tp % kv_heads == 0:
        return 1
    return Unavailable(f"{kv_heads} KV heads cannot be divided by a tensor parallel size of {tp}")


def state_bytes(cache: Mamba, paging: Paging) -> int | Unavailable:
    """Bytes of one request's state in one layer on one rank."""
    tp = paging.tp
    if not cache.divides(tp):
        return Unavailable(f"the state of {type(cache).__name__} cannot be divided by a tensor parallel size of {tp}")
    total = 0
    for part in cache.state(tp, paging.drafted):
        width = STATE_BYTES.get(part.dtype or paging.dtype)
        if width is None:
            return Unavailable(f"a state in {part.dtype or paging.dtype} is not known")
        total += part.elements * width
    return total


def _v4_page(content: int) -> int:
    return V4_PAGE_ALIGNMENT * ceil_div(content, V4_PAGE_ALIGNMENT)
