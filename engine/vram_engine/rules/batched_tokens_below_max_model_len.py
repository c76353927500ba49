"""A step is smaller than the longest prompt while chunked prefill is off.

What it checks
    Whether max-num-batched-tokens is below the context length with enable-chunked-prefill false, or with a model that
    reads whole prompts only, as encoders do.

Why
    A prompt is then computed in one step, so vLLM refuses steps that cannot hold the longest
    (vllm/config/scheduler.py, ``verify_max_model_len``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    max-num-batched-tokens: 4096
    enable-chunked-prefill: false

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    max-num-batched-tokens: 4096
    enable-chunked-prefill: true
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.scheduler import context
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Steps that hold no whole prompt."""
    return refusal(plan, RULE.name, ("max-num-batched-tokens",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    if case.switch("enable-chunked-prefill") is False:
        yield set_to(plan, {"enable-chunked-prefill": True})
    length = context(case)
    if length is not None:
        yield set_to(plan, {"max-num-batched-tokens": length})


RULE = Rule("batched-tokens-below-max-model-len", __doc__ or "", check_plan=check)
