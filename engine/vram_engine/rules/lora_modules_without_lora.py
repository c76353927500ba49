"""Adapters are named, but LoRA is off.

What it checks
    Whether lora-modules comes with enable-lora.

Why
    The server loads the adapters as it starts and stops with "LoRA is not enabled"
    (vllm/v1/worker/lora_model_runner_mixin.py).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    lora-modules: sql=/adapters/sql

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    lora-modules: sql=/adapters/sql
    enable-lora: true
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Adapters without a place."""
    return refusal(plan, RULE.name, ("lora-modules",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"enable-lora": True})


RULE = Rule("lora-modules-without-lora", __doc__ or "", check_plan=check)
