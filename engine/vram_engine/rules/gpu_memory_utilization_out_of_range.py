"""gpu-memory-utilization is not a share of the memory.

What it checks
    Whether the value is above 0 and at most 1.

Why
    vLLM takes a fraction of the whole GPU, not a percentage and not GiB, and refuses anything else.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    gpu-memory-utilization: 90

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    gpu-memory-utilization: 0.9
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import ChangeSettings, Finding, Fix, Rule


def check(plan: Plan) -> Iterator[Finding]:
    """The value is outside (0, 1]."""
    refused = plan.refused(RULE.name)
    if refused is not None:
        yield Finding(RULE.name, "error", plan.at("gpu-memory-utilization"), refused.message, fixes=tuple(_fixes(plan)))


def _fixes(plan: Plan) -> Iterator[Fix]:
    """A number from 10 to 100 was surely meant as a percentage; 1.2 may have been meant as anything."""
    value = plan.deployment.number("gpu-memory-utilization")
    if value is not None and 10 <= value <= 100:
        share = value / 100
        yield Fix(f"Write {share:g}", ChangeSettings(plan.index, {"gpu-memory-utilization": share}), "safe")


RULE = Rule("gpu-memory-utilization-out-of-range", __doc__ or "", check_plan=check)
