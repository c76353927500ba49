"""Another quantization is asked for than the checkpoint has.

What it checks
    The method asked for against the one in the checkpoint's config.json, names for the same kernels apart.

Why
    vLLM refuses the contradiction (vllm/config/model.py, ``_verify_quantization``); it finds the method by itself.

Example
    # vram: gpu=l4
    model: Qwen/Qwen3-8B-AWQ
    max-model-len: 8192
    quantization: gptq

Fixed
    # vram: gpu=l4
    model: Qwen/Qwen3-8B-AWQ
    max-model-len: 8192
    quantization: awq
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Two methods for one checkpoint."""
    return refusal(plan, RULE.name, ("quantization",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    if case.model is not None and case.model.quantization is not None:
        yield set_to(plan, {"quantization": case.model.quantization.method})


RULE = Rule("quantization-does-not-match-checkpoint", __doc__ or "", check_plan=check)
