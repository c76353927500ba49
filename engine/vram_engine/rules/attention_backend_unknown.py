"""The release of vLLM does not have that attention backend.

What it checks
    attention-backend against the backends of the release, and against names of engines before it.

Why
    vLLM stops with an unknown attention backend (vllm/v1/attention/backends/registry.py).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    attention-backend: XFORMERS

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    attention-backend: auto
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A backend that is not there."""
    return refusal(plan, RULE.name, ("attention-backend",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"attention-backend": "auto"})


RULE = Rule("attention-backend-unknown", __doc__ or "", check_plan=check)
