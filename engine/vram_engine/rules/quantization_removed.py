"""The release of vLLM no longer has the quantization method.

What it checks
    The method asked for, or the checkpoint's own, against the methods of the release.

Why
    vLLM stops with "Unknown quantization method" (vllm/config/model.py, ``_verify_quantization``). bitsandbytes went
    in 0.28, GGUF in 0.24, others before.

Example
    # vram: gpu=h100-sxm-80 vllm=0.32.0
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    quantization: bitsandbytes

Fixed
    # vram: gpu=h100-sxm-80 vllm=0.32.0
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    quantization: fp8_per_tensor
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.online_weights import set_online
from vram_engine.rules.refusing import refusal


def check(plan: Plan) -> Iterator[Finding]:
    """A method that is gone."""
    return refusal(plan, RULE.name, ("quantization", "model"), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    if case.says("quantization") and case.model is not None and case.model.quantization is None:
        yield from set_online(plan)


RULE = Rule("quantization-removed", __doc__ or "", check_plan=check)
