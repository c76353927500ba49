"""External load balancing is on, and nothing says which rank this is.

What it checks
    Whether data-parallel-rank is missing with data-parallel-external-lb on one node.

Why
    Every rank is started by itself then, and vLLM refuses one that does not know its number
    (vllm/engine/arg_utils.py, ``create_engine_config``).

Example
    # vram: gpu=h100-sxm-80 gpus=8
    model: Qwen/Qwen3-30B-A3B
    max-model-len: 8192
    data-parallel-size: 2
    data-parallel-external-lb: true

Fixed
    # vram: gpu=h100-sxm-80 gpus=8
    model: Qwen/Qwen3-30B-A3B
    max-model-len: 8192
    data-parallel-size: 2
    data-parallel-external-lb: true
    data-parallel-rank: 0
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A rank without a number."""
    return refusal(plan, RULE.name, ("data-parallel-external-lb",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"data-parallel-rank": 0})


RULE = Rule("external-balancing-without-rank", __doc__ or "", check_plan=check)
