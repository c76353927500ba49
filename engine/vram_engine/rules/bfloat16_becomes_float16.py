"""The GPU has no bfloat16, so vLLM computes in float16.

What it checks
    Whether a bfloat16 checkpoint meets dtype auto on a GPU of a compute capability below 8.0.

Why
    vLLM falls back with a warning (vllm/config/model.py, ``_resolve_auto_dtype``). Large activations can leave the
    range of float16; written out, the choice is visible.

Example
    # vram: gpu=t4
    model: Qwen/Qwen2.5-1.5B-Instruct
    max-model-len: 8192

Fixed
    # vram: gpu=t4
    model: Qwen/Qwen2.5-1.5B-Instruct
    max-model-len: 8192
    dtype: float16
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.facts.dtypes import BFLOAT16_CAPABILITY
from vram_engine.plan import Plan
from vram_engine.refusals.model_settings import must_be_wide
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Another 16-bit type than the checkpoint's."""
    case = case_of(plan)
    if case.model is None or case.model.dtype != "bfloat16" or case.capability is None or must_be_wide(case):
        return
    if case.capability >= BFLOAT16_CAPABILITY or case.text("dtype", "auto") != "auto" or plan.refusals:
        return
    message = "this GPU has no bfloat16: vLLM casts the checkpoint to float16"
    yield Finding(RULE.name, "information", plan.at("dtype"), message, fixes=(set_to(plan, {"dtype": "float16"}),))


RULE = Rule("bfloat16-becomes-float16", __doc__ or "", check_plan=check)
