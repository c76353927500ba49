"""Metrics of speculative decoding are asked for without any.

What it checks
    Whether per-request-spec-decode-metrics comes with speculative-config.

Why
    vLLM refuses metrics that cannot be (vllm/config/vllm.py, ``VllmConfig.__post_init__``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    per-request-spec-decode-metrics: summary

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    per-request-spec-decode-metrics: none
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Metrics of nothing."""
    return refusal(plan, RULE.name, ("per-request-spec-decode-metrics",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"per-request-spec-decode-metrics": "none"})


RULE = Rule("speculative-metrics-without-speculation", __doc__ or "", check_plan=check)
