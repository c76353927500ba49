"""External load balancing is on for an instance of several ranks.

What it checks
    Whether data-parallel-size-local is other than 1 with data-parallel-external-lb or data-parallel-rank.

Why
    An instance is one rank then; vLLM refuses others (vllm/engine/arg_utils.py, ``create_engine_config``).

Example
    # vram: gpu=h100-sxm-80 gpus=8
    model: Qwen/Qwen3-30B-A3B
    max-model-len: 8192
    data-parallel-size: 4
    data-parallel-rank: 0
    data-parallel-size-local: 2

Fixed
    # vram: gpu=h100-sxm-80 gpus=8
    model: Qwen/Qwen3-30B-A3B
    max-model-len: 8192
    data-parallel-size: 4
    data-parallel-rank: 0
    data-parallel-size-local: 1
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """More ranks than one."""
    return refusal(plan, RULE.name, ("data-parallel-size-local",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"data-parallel-size-local": 1})


RULE = Rule("external-balancing-of-several-ranks", __doc__ or "", check_plan=check)
