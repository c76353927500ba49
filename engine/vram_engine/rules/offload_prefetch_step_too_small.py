"""Layers in CPU memory are fetched only when they are needed.

What it checks
    Whether offload-prefetch-step is at least 1 where layers are fetched ahead.

Why
    vLLM refuses to fetch a layer in the step that computes it (vllm/config/offload.py, ``validate_offload_config``).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    offload-group-size: 4
    offload-prefetch-step: 0

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    offload-group-size: 4
    offload-prefetch-step: 1
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Layers fetched too late."""
    return refusal(plan, RULE.name, ("offload-prefetch-step",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"offload-prefetch-step": 1})


RULE = Rule("offload-prefetch-step-too-small", __doc__ or "", check_plan=check)
