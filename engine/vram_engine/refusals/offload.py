"""Refusals about weights kept in the CPU's memory (vllm/config/offload.py)."""

from __future__ import annotations

from vram_engine.refusals.case import Case


def more_layers_than_group(case: Case) -> str | None:
    """``validate_offload_config``."""
    group, offloaded = case.integer("offload-group-size", 0), case.integer("offload-num-in-group", 1)
    if group is None or offloaded is None or not prefetches(case) or offloaded <= group:
        return None
    return f"vLLM refuses offload-num-in-group {offloaded} above offload-group-size {group}"


def no_step_ahead(case: Case) -> str | None:
    """``validate_offload_config``."""
    ahead = case.integer("offload-prefetch-step", 1)
    if ahead is None or ahead >= 1 or not prefetches(case):
        return None
    return f"vLLM refuses offload-prefetch-step {ahead}: layers must be fetched at least 1 ahead"


def prefetches(case: Case) -> bool:
    """Whether layers are fetched ahead."""
    return (case.integer("offload-group-size", 0) or 0) > 0 or case.text("offload-backend", "auto") == "prefetch"
