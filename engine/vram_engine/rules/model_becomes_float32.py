"""Neither 16-bit type will do, so vLLM loads the model in float32.

What it checks
    Whether a model that is unstable in float16 meets dtype auto on a GPU without bfloat16.

Why
    vLLM falls back to float32 (vllm/config/model.py, ``_resolve_auto_dtype``): weights and KV cache take twice the
    memory.

Example
    # vram: gpu=t4
    model: google/gemma-3-1b-it
    max-model-len: 2048

Fixed
    # vram: gpu=t4
    model: google/gemma-3-1b-it
    max-model-len: 2048
    dtype: float32
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.model_settings import must_be_wide
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Twice the bytes, unasked."""
    case = case_of(plan)
    if case.model is None or not must_be_wide(case) or case.text("dtype", "auto") != "auto" or plan.refusals:
        return
    message = "this GPU has no bfloat16 and the model no float16: vLLM loads it in float32, twice the memory"
    yield Finding(RULE.name, "warning", plan.at("dtype"), message, fixes=(set_to(plan, {"dtype": "float32"}),))


RULE = Rule("model-becomes-float32", __doc__ or "", check_plan=check)
