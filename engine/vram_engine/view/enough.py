"""How little would do: the smallest share of the GPU, or of KV cache in bytes, that serves the workload.

What a deployment needs, what vLLM reserves and what is left are three things: the share is reserved whatever is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.estimate import Estimate
from vram_engine.facts.flags import flag
from vram_engine.facts.versions import Version
from vram_engine.feasibility import SMALLEST_CONTEXT, gib
from vram_engine.plan import Plan
from vram_engine.sizing.budget import Budget

_STEPS = 100


@dataclass(frozen=True, slots=True)
class Enough:
    """What would do on this GPU.

    ``utilization`` is in whole hundredths (63 is 0.63), None where no share does; ``kv_cache_bytes`` is per GPU, None
    where the vLLM version takes no such flag.
    """

    utilization: int | None
    kv_cache_bytes: int | None


def enough(plan: Plan) -> Enough | None:
    """What would serve the workload even at the unkind end of every modelled term; None where that is not a question.

    vLLM gives the KV cache what its share leaves, byte for byte, so the share needed is what is taken before plus the
    workload's blocks and the one block that vLLM holds back.
    """
    if not isinstance(plan.estimate, Estimate) or plan.feasibility is None:
        return None
    budget, per_block = plan.estimate.budget, plan.estimate.bytes_per_block
    if per_block is None or budget.kv_is_fixed:
        return None
    blocks = -(-plan.feasibility.required_bytes // per_block) + 1
    taken = budget.requested_bytes - budget.available.low
    share = -(-(taken + blocks * per_block) * _STEPS // budget.memory_bytes)
    return Enough(
        utilization=share if _can_be_had(share, budget) else None,
        kv_cache_bytes=blocks * per_block if _takes_bytes(plan.args.vllm_version) else None,
    )


def _takes_bytes(version: Version) -> bool:
    known = flag("kv-cache-memory-bytes")
    return known is not None and known.accepted_by(version) is True


def _can_be_had(share: int, budget: Budget) -> bool:
    """Whether a process may ask for this share: its own CUDA context comes first, and so do other programs."""
    free = budget.memory_bytes - SMALLEST_CONTEXT if budget.free_bytes is None else budget.free_bytes
    return share * budget.memory_bytes <= free * _STEPS


def enough_words(plan: Plan) -> str:
    """``Enough for this workload: gpu-memory-utilization 0.63, or kv-cache-memory-bytes 34,361,835,520 (32.00 GiB)``.

    Empty where there is nothing to say.
    """
    least = enough(plan)
    if least is None or least.utilization is None:
        return ""
    words = f"Enough for this workload: gpu-memory-utilization {least.utilization / _STEPS:.2f}"
    if least.kv_cache_bytes is not None:
        words += f", or kv-cache-memory-bytes {least.kv_cache_bytes:,} ({gib(least.kv_cache_bytes)})"
    return words
