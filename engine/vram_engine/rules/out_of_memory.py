"""The weights and everything else vLLM needs before the KV cache take all the memory it may use.

What it checks
    Whether anything is left for the KV cache of one GPU, even if every modelled amount turns out as small as it can.

Why
    vLLM measures this only after it has loaded the weights, minutes into a start-up, and then stops with "No available
    memory for the cache blocks" or with CUDA's out of memory error.

Example
    # vram: gpu=l4 gpus=2
    model: Qwen/Qwen2.5-14B-Instruct
    max-model-len: 8192

Fixed
    # vram: gpu=l4 gpus=2
    model: Qwen/Qwen2.5-14B-Instruct
    max-model-len: 8192
    tensor-parallel-size: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.beside import is_short_because_of_peers
from vram_engine.feasibility import gib
from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.memory import allowed, memory_finding, sized, spent


def check(plan: Plan) -> Iterator[Finding]:
    """Nothing is left for the KV cache."""
    found = sized(plan, "out-of-memory", "free-memory-below-target")
    if found is None:
        return
    budget, feasibility = found
    # Another rule speaks of engines that share a GPU, to all of them.
    if is_short_because_of_peers(plan.deployment, feasibility.condition):
        return
    if feasibility.failure is not None and feasibility.condition == "free-memory-below-target":
        message = f"vLLM will not start: {feasibility.failure.message}"
        yield memory_finding(plan, RULE.name, "error", message, "gpu-memory-utilization", "model")
        return
    if budget.kv_is_fixed:
        message = (
            f"vLLM will not start: {spent(budget)} + KV cache {gib(budget.available.expected)} is more than the "
            f"{gib(budget.memory_bytes)} of the GPU"
        )
        yield memory_finding(plan, RULE.name, "error", message, "kv-cache-memory-bytes", "model")
        return
    over = gib(-budget.available.expected)
    message = f"vLLM will not start: {spent(budget)} is {over} more than the {allowed(budget)} it may use per GPU"
    yield memory_finding(plan, RULE.name, "error", message, "model")


RULE = Rule("out-of-memory", __doc__ or "", check_plan=check)
