"""The model is numerically unstable in float16.

What it checks
    Whether float16 is asked for by name for a type of model that vLLM lists as unstable in it, such as Gemma 2 and 3.

Why
    vLLM refuses it with "does not support float16" (vllm/config/model.py, ``_FLOAT16_NOT_SUPPORTED_MODELS``):
    activations leave its range.

Example
    # vram: gpu=h100-sxm-80
    model: google/gemma-3-4b-it
    max-model-len: 8192
    dtype: float16

Fixed
    # vram: gpu=h100-sxm-80
    model: google/gemma-3-4b-it
    max-model-len: 8192
    dtype: bfloat16
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.facts.dtypes import BFLOAT16_CAPABILITY
from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A data type the model does not stand."""
    return refusal(plan, RULE.name, ("dtype",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    old = case.capability is not None and case.capability < BFLOAT16_CAPABILITY
    yield set_to(plan, {"dtype": "float32" if old else "bfloat16"})


RULE = Rule("float16-unsupported-by-model", __doc__ or "", check_plan=check)
