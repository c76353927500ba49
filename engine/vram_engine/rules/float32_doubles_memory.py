"""The model is loaded in float32, twice the size of its checkpoint.

What it checks
    Whether dtype float32 is asked for while the checkpoint is in 16 bits.

Why
    Weights and KV cache take twice the memory and run on slower units (vllm/config/model.py, ``_get_and_verify_dtype``,
    casts the checkpoint).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    dtype: float32

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    dtype: auto
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.model_settings import must_be_wide, stated_dtype
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Twice the bytes."""
    case = case_of(plan)
    if case.model is None or stated_dtype(case) != "float32" or case.model.dtype not in ("float16", "bfloat16"):
        return
    if case.model.quantization is not None or must_be_wide(case) or plan.refusals:
        return
    message = f"float32 takes twice the memory of the checkpoint's {case.model.dtype}"
    yield Finding(RULE.name, "warning", plan.at("dtype"), message, fixes=(set_to(plan, {"dtype": "auto"}),))


RULE = Rule("float32-doubles-memory", __doc__ or "", check_plan=check)
