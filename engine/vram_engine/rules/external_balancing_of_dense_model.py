"""A model without experts gains nothing from externally balanced data-parallel ranks.

What it checks
    Whether data-parallel-external-lb or data-parallel-rank is set, with data-parallel-size above 1, for a model
    without experts.

Why
    Ranks of such a model share nothing. vLLM refuses and asks for independent instances (vllm/engine/arg_utils.py,
    ``create_engine_config``).

Example
    # vram: gpu=h100-sxm-80 gpus=2
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    data-parallel-size: 2
    data-parallel-external-lb: true

Fixed
    # vram: gpu=h100-sxm-80 gpus=2
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    data-parallel-size: 2
    data-parallel-external-lb: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Ranks that have nothing in common."""
    return refusal(plan, RULE.name, ("data-parallel-external-lb", "data-parallel-rank"), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    if case.switch("data-parallel-external-lb") is True and not case.says("data-parallel-rank"):
        yield set_to(plan, {"data-parallel-external-lb": False})


RULE = Rule("external-balancing-of-dense-model", __doc__ or "", check_plan=check)
