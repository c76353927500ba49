"""Expert parallelism is on for a model without experts.

What it checks
    Whether enable-expert-parallel is on while the model's config.json has no routed experts.

Why
    vLLM stops with "Number of experts in the model must be greater than 0" (vllm/config/model.py,
    ``_verify_with_expert_parallelism``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    enable-expert-parallel: true

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    enable-expert-parallel: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Experts the model does not have."""
    return refusal(plan, RULE.name, ("enable-expert-parallel",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"enable-expert-parallel": False})


RULE = Rule("expert-parallel-without-experts", __doc__ or "", check_plan=check)
