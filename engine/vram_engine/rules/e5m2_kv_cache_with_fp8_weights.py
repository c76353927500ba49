"""An e5m2 KV cache meets FP8 weights.

What it checks
    kv-cache-dtype fp8_e5m2 with a checkpoint whose weights are FP8.

Why
    vLLM refuses it (vllm/model_executor/layers/attention/attention.py): such checkpoints bring scales for e4m3.

Example
    # vram: gpu=h100-sxm-80
    model: Qwen/Qwen3-8B-FP8
    max-model-len: 8192
    kv-cache-dtype: fp8_e5m2

Fixed
    # vram: gpu=h100-sxm-80
    model: Qwen/Qwen3-8B-FP8
    max-model-len: 8192
    kv-cache-dtype: fp8
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Two FP8 formats."""
    return refusal(plan, RULE.name, ("kv-cache-dtype",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"kv-cache-dtype": "fp8"})


RULE = Rule("e5m2-kv-cache-with-fp8-weights", __doc__ or "", check_plan=check)
