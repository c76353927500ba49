"""Expert parallelism is on, but all experts are on one GPU.

What it checks
    Whether enable-expert-parallel comes with a tensor or data parallel size above 1.

Why
    With one GPU there is nothing to deal out; vLLM leaves it off (vllm/model_executor/layers/fused_moe/config.py).

Example
    # vram: gpu=h100-sxm-80
    model: Qwen/Qwen3-30B-A3B
    max-model-len: 8192
    enable-expert-parallel: true

Fixed
    # vram: gpu=h100-sxm-80
    model: Qwen/Qwen3-30B-A3B
    max-model-len: 8192
    enable-expert-parallel: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.experts import ranks_of_experts
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Nothing to deal out."""
    case = case_of(plan)
    if case.model is None or case.model.experts is None or plan.refusals:
        return
    if case.switch("enable-expert-parallel") is not True or ranks_of_experts(case) != 1:
        return
    message = "enable-expert-parallel does nothing on one GPU"
    fix = set_to(plan, {"enable-expert-parallel": False})
    yield Finding(RULE.name, "information", plan.at("enable-expert-parallel"), message, fixes=(fix,))


RULE = Rule("expert-parallel-on-one-gpu", __doc__ or "", check_plan=check)
