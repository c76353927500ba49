"""The GPU is too old for bfloat16.

What it checks
    Whether bfloat16 is asked for by name on a GPU of a compute capability below 8.0 (V100, T4, RTX 20 and older).

Why
    vLLM stops as its workers start (vllm/platforms/cuda.py, ``check_if_supports_dtype``). With dtype auto it would
    take float16 there.

Example
    # vram: gpu=t4
    model: Qwen/Qwen2.5-1.5B-Instruct
    max-model-len: 8192
    dtype: bfloat16

Fixed
    # vram: gpu=t4
    model: Qwen/Qwen2.5-1.5B-Instruct
    max-model-len: 8192
    dtype: float16
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.facts.dtypes import NEEDS_MORE_RANGE_THAN_FLOAT16
from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A data type the GPU does not have."""
    return refusal(plan, RULE.name, ("dtype",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    narrow = case.model is not None and case.model.model_type in NEEDS_MORE_RANGE_THAN_FLOAT16
    yield set_to(plan, {"dtype": "float32" if narrow else "float16"})


RULE = Rule("bfloat16-unsupported-by-gpu", __doc__ or "", check_plan=check)
