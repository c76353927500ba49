"""The KV cache takes more than half of the memory, and could be stored in half the bytes.

What it checks
    Whether the workload's KV cache is more than half of what vLLM may use while it is stored in 16 bits on a GPU that
    computes with FP8.

Why
    An FP8 KV cache holds twice as many tokens, usually without a loss that can be measured.

Example
    # vram: gpu=h100-sxm-80 concurrency=12
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 32768

Fixed
    # vram: gpu=h100-sxm-80 concurrency=12
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 32768
    kv-cache-dtype: fp8
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.estimate import Estimate
from vram_engine.feasibility import gib
from vram_engine.hardware import Node
from vram_engine.plan import Plan
from vram_engine.recommend import FP8_CAPABILITY
from vram_engine.rules.base import ChangeSettings, Finding, Fix, Rule


def check(plan: Plan) -> Iterator[Finding]:
    """Much KV cache in 16 bits."""
    if plan.unmodelled or plan.refusals or plan.feasibility is None or not isinstance(plan.estimate, Estimate):
        return
    budget, required = plan.estimate.budget, plan.feasibility.required_bytes
    if not plan.estimate.kv_is_16bit or not _computes_fp8(plan) or required * 2 <= budget.requested_bytes:
        return
    # Where that alone makes it fit, the memory finding offers it already.
    offered = any("kv-cache-dtype" in each.settings for each in plan.recommendations)
    title = f"Set kv-cache-dtype to fp8: {gib(required // 2)} less KV cache per GPU"
    fix = Fix(title, ChangeSettings(plan.index, {"kv-cache-dtype": "fp8"}))
    yield Finding(
        RULE.name,
        "hint",
        plan.at("kv-cache-dtype", "max-model-len", "model"),
        f"the workload needs {gib(required)} of KV cache, more than half of the {gib(budget.requested_bytes)} vLLM may "
        "use per GPU; FP8 would halve it",
        "assumed" if plan.rests_on_assumptions else "certain",
        () if offered else (fix,),
    )


def _computes_fp8(plan: Plan) -> bool:
    capability = plan.node.gpu.capability if isinstance(plan.node, Node) else None
    return capability is not None and capability >= FP8_CAPABILITY


RULE = Rule("kv-cache-pressure", __doc__ or "", check_plan=check)
