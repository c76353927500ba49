"""The model class does not take LoRA adapters.

What it checks
    Whether enable-lora is on for a model class that no release of vLLM lets adapters be added to.

Why
    vLLM stops with "does not support LoRA yet" (vllm/v1/worker/lora_model_runner_mixin.py).

Example
    # vram: gpu=h100-sxm-80
    model: tiiuae/falcon-7b-instruct
    enable-lora: true

Fixed
    # vram: gpu=h100-sxm-80
    model: tiiuae/falcon-7b-instruct
    enable-lora: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Adapters the model does not take."""
    return refusal(plan, RULE.name, ("enable-lora",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"enable-lora": False})


RULE = Rule("lora-unsupported-by-model", __doc__ or "", check_plan=check)
