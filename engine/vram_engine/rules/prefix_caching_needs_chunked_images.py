"""Prefix caching of recurrent states must be able to stop within an image.

What it checks
    For models with Mamba layers or their kin: whether disable-chunked-mm-input is on while prefix caching is.

Why
    States are kept at the ends of blocks, which may lie within an image; vLLM stops with an assertion otherwise
    (vllm/config/vllm.py, ``validate_block_size``).

Example
    # vram: gpu=h100-sxm-80
    model: ibm-granite/granite-4.0-h-tiny
    max-model-len: 8192
    disable-chunked-mm-input: true

Fixed
    # vram: gpu=h100-sxm-80
    model: ibm-granite/granite-4.0-h-tiny
    max-model-len: 8192
    disable-chunked-mm-input: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Prefixes that end anywhere."""
    return refusal(plan, RULE.name, ("disable-chunked-mm-input",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"disable-chunked-mm-input": False})
    yield set_to(plan, {"enable-prefix-caching": False})


RULE = Rule("prefix-caching-needs-chunked-images", __doc__ or "", check_plan=check)
