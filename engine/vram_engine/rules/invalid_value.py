"""A value is not one that its key can have.

What it checks
    Types, choices and lower bounds as vLLM's argument parser and the profile's schema have them. YAML is read as vLLM
    reads it (YAML 1.1), so ``1e5`` is text and ``on`` is true.

Why
    vLLM stops before it loads anything.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    dtype: bfloat

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    dtype: bfloat16
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.deployment import Remark
from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Fix, ReplaceValue, Rule, remarked
from vram_engine.syntax.route import Place


def check(plan: Plan) -> Iterator[Finding]:
    """Values the dialect could not read."""
    for remark in plan.deployment.remarks:
        if remark.kind == "invalid-value":
            yield Finding(RULE.name, "error", remark.place, remark.message, fixes=_fixes(remark))


def _fixes(remark: Remark) -> tuple[Fix, ...]:
    better = remark.instead
    if better is None or not isinstance(remark.place, Place):
        return remarked(remark, f"Write {better}")
    return (Fix(f"Write {better}", ReplaceValue(remark.place, better), "safe"),)


RULE = Rule("invalid-value", __doc__ or "", check_plan=check)
