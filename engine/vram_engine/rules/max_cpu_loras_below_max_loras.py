"""Fewer adapters are kept in CPU memory than run at once.

What it checks
    Whether max-cpu-loras is at least max-loras.

Why
    Every running adapter is kept in CPU memory as well; vLLM refuses less (vllm/config/lora.py,
    ``_validate_lora_config``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    enable-lora: true
    max-loras: 8
    max-cpu-loras: 4

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    enable-lora: true
    max-loras: 8
    max-cpu-loras: 8
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Fewer adapters kept than used."""
    return refusal(plan, RULE.name, ("max-cpu-loras",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    active = case.integer("max-loras", 1)
    if active is not None:
        yield set_to(plan, {"max-cpu-loras": active})


RULE = Rule("max-cpu-loras-below-max-loras", __doc__ or "", check_plan=check)
