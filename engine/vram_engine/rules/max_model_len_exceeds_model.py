"""The length asked for is more than the model was made for.

What it checks
    max-model-len against the length vLLM derives from the model's config.json, by its rules for rotary scaling.

Why
    vLLM refuses: "User-specified max_model_len is greater than the derived max_model_len". Setting
    VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 overrides it, at the risk of nonsense beyond the trained length.

Example
    # vram: gpu=h100-sxm-80
    model: Qwen/Qwen2.5-7B-Instruct
    max-model-len: 65536

Fixed
    # vram: gpu=h100-sxm-80
    model: Qwen/Qwen2.5-7B-Instruct
    max-model-len: 32768
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.model.reference import FoundModel
from vram_engine.plan import Plan
from vram_engine.refusals.limits import longest
from vram_engine.rules.base import ChangeSettings, Finding, Fix, Rule


def check(plan: Plan) -> Iterator[Finding]:
    """max-model-len against the derived length."""
    refused = plan.refused(RULE.name)
    if refused is None or not isinstance(plan.model, FoundModel):
        return
    derived = longest(plan.model.spec, plan.args)
    change = ChangeSettings(plan.index, {"max-model-len": derived})
    fix = Fix(f"Set max-model-len to {derived}, the model's length", change)
    yield Finding(RULE.name, "error", plan.at("max-model-len"), refused.message, fixes=(fix,))


RULE = Rule("max-model-len-exceeds-model", __doc__ or "", check_plan=check)
