"""watermark is not a share of the KV cache.

What it checks
    Whether the value is at least 0 and below 1.

Why
    It is the fraction of blocks kept free, not a percentage; vLLM refuses anything else (vllm/config/scheduler.py).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    watermark: 5

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    watermark: 0.05
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A share that is none."""
    return refusal(plan, RULE.name, ("watermark",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    value = case.number("watermark")
    if value is not None and 1 <= value < 100:
        yield set_to(plan, {"watermark": value / 100})


RULE = Rule("watermark-out-of-range", __doc__ or "", check_plan=check)
