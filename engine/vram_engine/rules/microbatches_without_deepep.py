"""Overlapping microbatches need another exchange between experts.

What it checks
    Whether enable-dbo or ubatch-size comes with a deepep or nixl_ep all2all-backend.

Why
    Only those exchange tokens while another half of the batch computes; vLLM stops with an assertion for others
    (vllm/config/vllm.py).

Example
    # vram: gpu=h100-sxm-80
    enable-expert-parallel: true
    enable-dbo: true

Fixed
    # vram: gpu=h100-sxm-80
    enable-expert-parallel: true
    enable-dbo: true
    all2all-backend: deepep_low_latency
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Overlap without the kernels for it."""
    return refusal(plan, RULE.name, ("all2all-backend", "enable-dbo", "ubatch-size"), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"all2all-backend": "deepep_low_latency"})


RULE = Rule("microbatches-without-deepep", __doc__ or "", check_plan=check)
