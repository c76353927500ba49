"""Prefix caching of recurrent states needs chunked prefill.

What it checks
    For models with Mamba layers or their kin: whether chunked prefill is off while prefix caching is on, as it is by
    default beside attention.

Why
    States are kept at the ends of blocks, where a prefill must be able to stop; vLLM stops with an assertion
    otherwise (vllm/model_executor/models/config.py, ``MambaModelConfig``).

Example
    # vram: gpu=h100-sxm-80
    model: ibm-granite/granite-4.0-h-tiny
    max-model-len: 8192
    enable-chunked-prefill: false

Fixed
    # vram: gpu=h100-sxm-80
    model: ibm-granite/granite-4.0-h-tiny
    max-model-len: 8192
    enable-chunked-prefill: true
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Prefixes that end anywhere."""
    return refusal(plan, RULE.name, ("enable-chunked-prefill",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"enable-chunked-prefill": True})
    yield set_to(plan, {"enable-prefix-caching": False})


RULE = Rule("prefix-caching-needs-chunked-prefill", __doc__ or "", check_plan=check)
