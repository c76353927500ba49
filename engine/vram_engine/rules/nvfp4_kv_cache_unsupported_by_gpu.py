"""No kernel reads an NVFP4 KV cache on this GPU.

What it checks
    kv-cache-dtype nvfp4 and nvfp4_4over6 against the generation of the GPU.

Why
    Only FlashInfer reads it, on data-center Blackwell and, from 0.30 and nvfp4 alone, on Ampere, Hopper and RTX
    Blackwell; elsewhere vLLM finds no attention backend (vllm/v1/attention/backends/flashinfer.py).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    kv-cache-dtype: nvfp4_4over6

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    kv-cache-dtype: fp8
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.kv_cache import NATIVE_FP8
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A format the GPU has no kernel for."""
    return refusal(plan, RULE.name, ("kv-cache-dtype",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    native = case.capability is not None and case.capability >= NATIVE_FP8
    yield set_to(plan, {"kv-cache-dtype": "fp8" if native else "auto"})


RULE = Rule("nvfp4-kv-cache-unsupported-by-gpu", __doc__ or "", check_plan=check)
