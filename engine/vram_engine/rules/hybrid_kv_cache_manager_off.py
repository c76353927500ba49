"""Layers with a window keep the KV cache of the whole context.

What it checks
    Whether disable-hybrid-kv-cache-manager is on for a model that mixes windowed and full attention.

Why
    vLLM then gives every layer the cache of a full one and warns (vllm/v1/core/kv_cache_utils.py); a long request
    takes many times the memory.

Example
    # vram: gpu=h100-sxm-80
    model: google/gemma-3-4b-it
    max-model-len: 8192
    disable-hybrid-kv-cache-manager: true

Fixed
    # vram: gpu=h100-sxm-80
    model: google/gemma-3-4b-it
    max-model-len: 8192
    disable-hybrid-kv-cache-manager: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.facts.versions import Version
from vram_engine.model.caches import ChunkedLocal, FullAttention, LayerCache, SlidingWindow
from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, set_to

_SINCE = Version(0, 10, 2)


def check(plan: Plan) -> Iterator[Finding]:
    """Windows that save nothing."""
    case = case_of(plan)
    if case.model is None or case.version < _SINCE or case.switch("disable-hybrid-kv-cache-manager") is not True:
        return
    kinds = {isinstance(cache, FullAttention) for cache in case.model.caches if _attends(cache)}
    if len(kinds) < 2:
        return
    message = "with the hybrid KV cache manager off, windowed layers keep the cache of the whole context"
    fix = set_to(plan, {"disable-hybrid-kv-cache-manager": False})
    yield Finding(RULE.name, "warning", plan.at("disable-hybrid-kv-cache-manager"), message, fixes=(fix,))


def _attends(cache: LayerCache) -> bool:
    return isinstance(cache, FullAttention | SlidingWindow | ChunkedLocal)


RULE = Rule("hybrid-kv-cache-manager-off", __doc__ or "", check_plan=check)
