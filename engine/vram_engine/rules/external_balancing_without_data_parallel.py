"""External load balancing is on with a single data-parallel rank.

What it checks
    Whether data-parallel-external-lb is on, or data-parallel-rank is there, while data-parallel-size is 1.

Why
    There is nothing to balance; vLLM refuses (vllm/config/parallel.py, ``_validate_parallel_config``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    data-parallel-external-lb: true

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    data-parallel-external-lb: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Balancing of one."""
    return refusal(plan, RULE.name, ("data-parallel-external-lb", "data-parallel-rank"), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    if case.says("data-parallel-external-lb"):
        yield set_to(plan, {"data-parallel-external-lb": False})


RULE = Rule("external-balancing-without-data-parallel", __doc__ or "", check_plan=check)
