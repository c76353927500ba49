"""A key is not one that vLLM, or the profile, knows.

What it checks
    Every key of a file that is a deployment for certain. Unique beginnings of a flag count as the flag, as they do
    for vLLM; ambiguous ones do not.

Why
    vLLM stops with "unrecognized arguments"; the profile would silently leave the setting out.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    gpu-memory-utilisation: 0.9

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    gpu-memory-utilization: 0.9
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.deployment import Remark
from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Fix, RenameKey, Rule, remarked
from vram_engine.syntax.route import Place


def check(plan: Plan) -> Iterator[Finding]:
    """Keys the dialect did not know."""
    for remark in plan.deployment.remarks:
        if remark.kind == "unknown-key":
            yield Finding(RULE.name, "error", remark.place, remark.message, fixes=_fixes(remark))


def _fixes(remark: Remark) -> tuple[Fix, ...]:
    better = remark.instead
    if better is None or not isinstance(remark.place, Place):
        return remarked(remark, f"Rename to {better}")
    return (Fix(f"Rename to {better}", RenameKey(remark.place, better), "safe"),)


RULE = Rule("unknown-key", __doc__ or "", check_plan=check)
