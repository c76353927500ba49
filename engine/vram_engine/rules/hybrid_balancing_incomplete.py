"""Hybrid load balancing lacks the number of local ranks, or contradicts external balancing.

What it checks
    Whether data-parallel-hybrid-lb comes with data-parallel-size-local and without data-parallel-external-lb.

Why
    vLLM balances over the ranks of this machine and must know how many they are (vllm/engine/arg_utils.py,
    ``create_engine_config``).

Example
    # vram: gpu=h100-sxm-80 gpus=2
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    data-parallel-size: 2
    data-parallel-hybrid-lb: true

Fixed
    # vram: gpu=h100-sxm-80 gpus=2
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    data-parallel-size: 2
    data-parallel-hybrid-lb: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Hybrid balancing that lacks or contradicts something."""
    return refusal(plan, RULE.name, ("data-parallel-hybrid-lb",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"data-parallel-hybrid-lb": False})


RULE = Rule("hybrid-balancing-incomplete", __doc__ or "", check_plan=check)
