"""Experts are balanced that are not dealt out.

What it checks
    Whether enable-eplb comes with enable-expert-parallel.

Why
    Load balancing moves whole experts between GPUs, which only expert parallelism has; vLLM refuses it alone
    (vllm/config/parallel.py).

Example
    # vram: gpu=h100-sxm-80 gpus=2
    tensor-parallel-size: 2
    enable-eplb: true

Fixed
    # vram: gpu=h100-sxm-80 gpus=2
    tensor-parallel-size: 2
    enable-eplb: true
    enable-expert-parallel: true
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Balancing of what is not dealt out."""
    return refusal(plan, RULE.name, ("enable-eplb",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"enable-expert-parallel": True})


RULE = Rule("eplb-without-expert-parallel", __doc__ or "", check_plan=check)
