"""More layers of a group are kept in CPU memory than it has.

What it checks
    Whether offload-num-in-group is at most offload-group-size.

Why
    vLLM refuses more (vllm/config/offload.py, ``validate_offload_config``).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    offload-group-size: 4
    offload-num-in-group: 8

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    offload-group-size: 4
    offload-num-in-group: 4
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """More layers than there are."""
    return refusal(plan, RULE.name, ("offload-num-in-group", "offload-group-size", "offload-backend"), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    group = case.integer("offload-group-size", 0)
    if group:
        yield set_to(plan, {"offload-num-in-group": group})


RULE = Rule("offload-exceeds-group", __doc__ or "", check_plan=check)
