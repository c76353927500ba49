"""Experts are duplicated, but nothing balances over the copies.

What it checks
    Whether redundant experts are asked for without enable-eplb.

Why
    The copies serve load balancing alone; vLLM refuses them without it (vllm/config/parallel.py,
    ``_validate_parallel_config``).

Example
    # vram: gpu=h100-sxm-80 gpus=2
    tensor-parallel-size: 2
    enable-expert-parallel: true
    eplb-config: '{"num_redundant_experts": 32}'

Fixed
    # vram: gpu=h100-sxm-80 gpus=2
    tensor-parallel-size: 2
    enable-expert-parallel: true
    eplb-config: '{"num_redundant_experts": 32}'
    enable-eplb: true
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Copies nobody uses."""
    return refusal(plan, RULE.name, ("eplb-config", "num-redundant-experts"), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"enable-eplb": True})


RULE = Rule("redundant-experts-without-eplb", __doc__ or "", check_plan=check)
