"""The size of the KV cache is set outright, so gpu-memory-utilization does not decide it.

What it checks
    Whether the file sets both kv-cache-memory-bytes and gpu-memory-utilization.

Why
    kv-cache-memory-bytes takes the place of what utilization would leave (vllm/config/cache.py); the share then only
    says how much memory must be free at the start.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    kv-cache-memory-bytes: 17179869184
    gpu-memory-utilization: 0.8

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    kv-cache-memory-bytes: 17179869184
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule


def check(plan: Plan) -> Iterator[Finding]:
    """Two sizes for one cache."""
    share = plan.deployment.effective("gpu-memory-utilization")
    if share is None or share.origin != "file" or not plan.deployment.integer("kv-cache-memory-bytes"):
        return
    message = "kv-cache-memory-bytes sets the KV cache outright; gpu-memory-utilization does not change it"
    yield Finding(RULE.name, "information", plan.at("gpu-memory-utilization"), message)


RULE = Rule("utilization-ignored", __doc__ or "", check_plan=check)
