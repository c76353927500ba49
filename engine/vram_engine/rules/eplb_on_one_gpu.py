"""Experts are balanced over a single GPU.

What it checks
    Whether enable-eplb comes with a tensor, prefill-context or data parallel size above 1.

Why
    With one GPU there is nowhere to move an expert; vLLM refuses (vllm/config/parallel.py,
    ``_validate_parallel_config``).

Example
    # vram: gpu=h100-sxm-80
    enable-expert-parallel: true
    enable-eplb: true

Fixed
    # vram: gpu=h100-sxm-80
    enable-expert-parallel: true
    enable-eplb: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Balancing of one."""
    return refusal(plan, RULE.name, ("enable-eplb",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"enable-eplb": False})


RULE = Rule("eplb-on-one-gpu", __doc__ or "", check_plan=check)
