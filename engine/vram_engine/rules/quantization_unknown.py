"""vLLM has no quantization method of that name, or not yet.

What it checks
    The method asked for against every method vLLM has had, and against those of the release.

Why
    vLLM stops with "Unknown quantization method" (vllm/config/model.py, ``_verify_quantization``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    quantization: fp8_per_tenser

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    quantization: fp8_per_tensor
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.dialects.spelling import closest
from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.quantization import asked
from vram_engine.refusals.quantization_methods import METHODS
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A method that is not there."""
    return refusal(plan, RULE.name, ("quantization",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    known = sorted(name for name, method in METHODS.items() if method.known_to(case.version))
    close = closest((asked(case) or "")[:40], known)
    if close is not None:
        yield set_to(plan, {"quantization": close})


RULE = Rule("quantization-unknown", __doc__ or "", check_plan=check)
