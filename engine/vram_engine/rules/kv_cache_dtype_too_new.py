"""The release of vLLM does not have that KV cache format yet.

What it checks
    kv-cache-dtype against the formats of the release.

Why
    vLLM's parser refuses a choice it does not know (vllm/config/cache.py, ``CacheDType``).

Example
    # vram: gpu=h100-sxm-80 vllm=0.18.0
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    kv-cache-dtype: fp8_per_token_head

Fixed
    # vram: gpu=h100-sxm-80 vllm=0.18.0
    model: meta-llama/Llama-3.1-8B-Instruct
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
    """A format the release does not have."""
    return refusal(plan, RULE.name, ("kv-cache-dtype",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    halves = case.text("kv-cache-dtype") in ("float16", "bfloat16")
    yield set_to(plan, {"kv-cache-dtype": "auto" if halves else "fp8"})


RULE = Rule("kv-cache-dtype-too-new", __doc__ or "", check_plan=check)
