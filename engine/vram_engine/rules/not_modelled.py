"""A setting changes memory in a way that is not computed, so there is no verdict.

What it checks
    Settings that change what vLLM keeps on the GPU and that the sizing does not follow, or whose value cannot be told.

Why
    Ignoring such a setting would give a number that is wrong. No number is better.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    offload-group-size: 8

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.model.spec import Unavailable
from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule


def check(plan: Plan) -> Iterator[Finding]:
    """Settings and models that sizing does not follow; without a model no verdict is owed, refused it is known."""
    if plan.refusals or (plan.ref is None and plan.model is None):
        return
    invalid = {remark.place for remark in plan.deployment.remarks}
    for each in plan.unmodelled:
        where = plan.at(each.setting.name)
        if where not in invalid:
            yield Finding(RULE.name, "information", where, f"no verdict: {each.reason}")
    if isinstance(plan.estimate, Unavailable):
        yield Finding(RULE.name, "information", plan.at("quantization", "model"), f"no verdict: {plan.estimate.reason}")


RULE = Rule("not-modelled", __doc__ or "", check_plan=check)
