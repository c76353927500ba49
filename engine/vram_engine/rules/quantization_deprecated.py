"""The quantization method is deprecated and must be allowed explicitly.

What it checks
    The method in force against the deprecated ones of the release.

Why
    vLLM refuses it without allow-deprecated-quantization (vllm/config/model.py, ``_verify_quantization``).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    quantization: fbgemm_fp8

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    quantization: fbgemm_fp8
    allow-deprecated-quantization: true
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A method on its way out."""
    return refusal(plan, RULE.name, ("quantization", "model"), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"allow-deprecated-quantization": True})


RULE = Rule("quantization-deprecated", __doc__ or "", check_plan=check)
