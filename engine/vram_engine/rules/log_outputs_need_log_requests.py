"""Outputs are logged, but requests are not.

What it checks
    Whether enable-log-outputs comes with enable-log-requests.

Why
    vLLM stops with "--enable-log-outputs requires --enable-log-requests" (vllm/entrypoints,
    ``validate_parsed_serve_args``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    enable-log-outputs: true

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    enable-log-outputs: true
    enable-log-requests: true
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Answers without questions."""
    return refusal(plan, RULE.name, ("enable-log-outputs",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"enable-log-requests": True})


RULE = Rule("log-outputs-need-log-requests", __doc__ or "", check_plan=check)
