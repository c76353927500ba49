"""max-model-len is not above 0.

What it checks
    Whether the length is a positive number; -1 and auto ask vLLM 0.14 and later to choose.

Why
    vLLM stops with "max_model_len must be a positive integer" (vllm/config/model.py,
    ``validate_model_config_after``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 0

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 131072
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.limits import longest
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A length that is none."""
    return refusal(plan, RULE.name, ("max-model-len",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    if case.model is not None:
        yield set_to(plan, {"max-model-len": longest(case.model, plan.args)})


RULE = Rule("max-model-len-not-positive", __doc__ or "", check_plan=check)
