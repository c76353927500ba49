"""vLLM is given nearly all of a memory that the CPU needs too.

What it checks
    Whether gpu-memory-utilization, as set or by default, is above 0.85 on a GPU that shares its memory with the CPU.

Why
    The system and every process live in the same memory. vLLM refuses to start when less than its share is free, and
    the system swaps or kills when it is used up.

Example
    # vram: gpu=gb10
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192

Fixed
    # vram: gpu=gb10
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    gpu-memory-utilization: 0.8
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, set_to
from vram_engine.sizing.eras import release

_MOST, _ADVISED = 0.85, 0.8


def check(plan: Plan) -> Iterator[Finding]:
    """Little left for the system."""
    case = case_of(plan)
    if case.node is None or not case.node.gpu.unified_memory or case.hides_settings or plan.refusals:
        return
    default = release(case.version).gpu_memory_utilization
    share = case.number("gpu-memory-utilization", default)
    if share is None or share <= _MOST or case.says("kv-cache-memory-bytes"):
        return
    message = f"{share:.0%} of a memory that {case.node.gpu.name} shares with the CPU leaves little for the system"
    fix = set_to(plan, {"gpu-memory-utilization": _ADVISED})
    yield Finding(RULE.name, "information", plan.at("gpu-memory-utilization"), message, fixes=(fix,))


RULE = Rule("utilization-of-unified-memory", __doc__ or "", check_plan=check)
