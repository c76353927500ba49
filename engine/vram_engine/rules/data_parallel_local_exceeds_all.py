"""More data-parallel ranks run here than there are in all.

What it checks
    Whether data-parallel-size-local is above data-parallel-size.

Why
    The local ranks are some of all; vLLM refuses more (vllm/config/parallel.py, ``_validate_parallel_config``).

Example
    # vram: gpu=h100-sxm-80 gpus=4
    max-model-len: 8192
    data-parallel-size: 2
    data-parallel-size-local: 4

Fixed
    # vram: gpu=h100-sxm-80 gpus=4
    max-model-len: 8192
    data-parallel-size: 2
    data-parallel-size-local: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """More replicas here than everywhere."""
    return refusal(plan, RULE.name, ("data-parallel-size-local",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    everywhere = case.integer("data-parallel-size", 1)
    if everywhere is not None:
        yield set_to(plan, {"data-parallel-size-local": everywhere})


RULE = Rule("data-parallel-local-exceeds-all", __doc__ or "", check_plan=check)
