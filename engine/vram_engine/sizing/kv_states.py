"""How Mamba-like states are kept: the mode, how many a request holds, and the block they share with attention.

Follows ``MambaModelConfig`` (model_executor/models/config.py), ``is_prefix_caching_supported`` (config/model.py) and
``MambaSpec.max_memory_usage_bytes`` (v1/kv_cache_interface.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from vram_engine.model.caches import MLA, FullAttention, LayerCache, Mamba
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.kv_block_size import Kernel, block_size_beside_state, block_size_for_every_state
from vram_engine.sizing.kv_eras import KvEra
from vram_engine.sizing.kv_pages import NOTHING_KEPT, Mode, Paging, cache_spec, state_bytes

MODES: Mapping[str, Mode] = MappingProxyType({"none": "none", "align": "align", "all": "all"})

# Classes that vLLM marks as free of attention, for which it leaves prefix caching off (models/mamba.py, mamba2.py).
ATTENTION_FREE = frozenset({"FalconMambaForCausalLM", "Mamba2ForCausalLM", "MambaForCausalLM"})


def mamba_mode(spec: ModelSpec, args: EngineArgs, era: KvEra) -> Mode | Unavailable:
    """The ``mamba_cache_mode`` vLLM ends up with; "none" without states or without prefix caching."""
    states = [cache for cache in spec.caches if isinstance(cache, Mamba)]
    cached = args.enable_prefix_caching
    if cached is None:
        cached = era.caches_states and spec.runner != "pooling" and spec.architecture not in ATTENTION_FREE
    if not states or not cached:
        return "none"
    every_block = all(cache.every_block for cache in states)
    asked = args.mamba_cache_mode or "none"
    if asked not in MODES or (asked == "all" and not era.knows_all_states):
        return Unavailable(f"mamba_cache_mode {asked[:20]} does not exist in this version of vLLM")
    if not era.aligns_states:
        return "all" if every_block and era.prefers_all_states else "none"
    if asked == "none":
        return "all" if every_block and era.prefers_all_states else "align"
    return MODES[asked] if every_block else "align"


def share_blocks(
    caches: tuple[LayerCache, ...], paging: Paging, kernel: Kernel, max_model_len: int, era: KvEra
) -> Paging | Unavailable:
    """``paging`` with the blocks that states ask for: attention pages as large as a state at least, states padded."""
    states = [cache for cache in caches if isinstance(cache, Mamba)]
    if not states:
        return paging
    attention = next((cache for cache in caches if isinstance(cache, FullAttention | MLA)), None)
    shared = paging if attention is None else _beside_attention(states, attention, paging, kernel, era)
    if isinstance(shared, Unavailable):
        return shared
    block = max_model_len if paging.mamba_cache_mode == "none" else shared.block_size
    return replace(shared, mamba_block_size=block)


def _beside_attention(
    states: list[Mamba], attention: LayerCache, paging: Paging, kernel: Kernel, era: KvEra
) -> Paging | Unavailable:
    token = cache_spec(attention, replace(paging, block_size=1))
    if isinstance(token, Unavailable):
        return token
    if token.page_bytes <= 0:
        return Unavailable(NOTHING_KEPT)
    state = largest_state(states, paging)
    if isinstance(state, Unavailable):
        return state
    if paging.mamba_cache_mode == "all":
        chunk = max(cache.every_block or 1 for cache in states)
        block_size = block_size_for_every_state(kernel, paging.block_size, state, token.page_bytes, chunk)
    else:
        latent = isinstance(attention, MLA)
        block_size = block_size_beside_state(kernel, paging.block_size, state, token.page_bytes, latent=latent, era=era)
    return replace(paging, block_size=block_size, state_page=block_size * token.page_bytes)


def largest_state(states: list[Mamba], paging: Paging) -> int | Unavailable:
    """Bytes of the largest state of one layer on one rank."""
    largest = 0
    for cache in states:
        size = state_bytes(cache, paging)
        if isinstance(size, Unavailable):
            return size
        largest = max(largest, size)
    return largest
