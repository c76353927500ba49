"""Weights are moved to CPU memory that is the GPU's own.

What it checks
    Whether cpu-offload-gb or prefetched layers are set on a GPU that shares its memory with the CPU.

Why
    The bytes stay in the same memory and only take a longer way; nothing is gained (NVIDIA GB10, Jetson).

Example
    # vram: gpu=gb10
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    gpu-memory-utilization: 0.8
    cpu-offload-gb: 8

Fixed
    # vram: gpu=gb10
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    gpu-memory-utilization: 0.8
    cpu-offload-gb: 0
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """One memory, not two."""
    case = case_of(plan)
    if case.node is None or not case.node.gpu.unified_memory:
        return
    for name in ("cpu-offload-gb", "offload-group-size"):
        if (case.number(name) or 0) > 0:
            message = f"{name} frees nothing on {case.node.gpu.name}: CPU and GPU share one memory"
            fix = set_to(plan, {name: 0})
            yield Finding(RULE.name, "warning", plan.at(name), message, fixes=(fix,))


RULE = Rule("cpu-offload-on-unified-memory", __doc__ or "", check_plan=check)
