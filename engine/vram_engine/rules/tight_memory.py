"""The workload fits, but with little to spare.

What it checks
    The memory left per GPU after the workload's KV cache: a warning below the headroom the file asks for
    (``headroom_gb`` of the profile), information below 2 GiB.

Why
    Driver updates, other processes and longer prompts eat small margins.

Example
    # vram: gpu=l4
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 20480

Fixed
    # vram: gpu=l4
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.feasibility import gib
from vram_engine.plan import Plan
from vram_engine.resolution import workload
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.memory import memory_finding, sized


def check(plan: Plan) -> Iterator[Finding]:
    """Less is left than the policy or comfort asks for."""
    found = sized(plan, "tight-memory-policy", "tight-memory")
    if found is None:
        return
    _, feasibility = found
    left = gib(feasibility.headroom_bytes)
    wanted = workload(plan.deployment).headroom_bytes
    if feasibility.condition == "tight-memory-policy" and wanted is not None:
        message = f"fits with {left} to spare per GPU, less than the {gib(wanted)} of headroom asked for"
        yield memory_finding(plan, RULE.name, "warning", message, "headroom-gib", "max-model-len", "model")
    else:
        message = f"fits with {left} to spare per GPU"
        yield memory_finding(plan, RULE.name, "information", message, "max-model-len", "model")


RULE = Rule("tight-memory", __doc__ or "", check_plan=check)
