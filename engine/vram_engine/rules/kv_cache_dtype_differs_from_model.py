"""An explicit 16-bit KV cache is of another type than the model.

What it checks
    kv-cache-dtype float16 or bfloat16 against the data type in force.

Why
    From 0.33 vLLM refuses the pair (vllm/config/vllm.py, ``_reject_mismatched_float_kv_cache``); auto follows the
    model.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    kv-cache-dtype: float16

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    kv-cache-dtype: auto
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Two 16-bit types."""
    return refusal(plan, RULE.name, ("kv-cache-dtype",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"kv-cache-dtype": "auto"})


RULE = Rule("kv-cache-dtype-differs-from-model", __doc__ or "", check_plan=check)
