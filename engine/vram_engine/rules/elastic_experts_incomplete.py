"""Elastic expert parallelism lacks load balancing, or meets pipeline stages.

What it checks
    Whether enable-elastic-ep comes with enable-eplb and without pipeline parallelism.

Why
    Growing and shrinking moves experts, which the load balancer does; vLLM refuses it otherwise
    (vllm/config/parallel.py, ``__post_init__``).

Example
    # vram: gpu=h100-sxm-80 gpus=2
    tensor-parallel-size: 2
    enable-expert-parallel: true
    enable-elastic-ep: true

Fixed
    # vram: gpu=h100-sxm-80 gpus=2
    tensor-parallel-size: 2
    enable-expert-parallel: true
    enable-elastic-ep: true
    enable-eplb: true
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Elastic experts that lack or contradict something."""
    return refusal(plan, RULE.name, ("enable-elastic-ep",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    if case.switch("enable-eplb") is False:
        yield set_to(plan, {"enable-eplb": True})


RULE = Rule("elastic-experts-incomplete", __doc__ or "", check_plan=check)
