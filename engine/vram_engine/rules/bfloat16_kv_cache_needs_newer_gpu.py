"""The GPU is too old for a KV cache in bfloat16.

What it checks
    kv-cache-dtype bfloat16 against the compute capability.

Why
    Triton's kernels, all there is before Ampere, refuse it as the attention layers are built
    (vllm/v1/attention/backends/triton_attn.py).

Example
    # vram: gpu=t4 vllm=0.32.0
    model: Qwen/Qwen2.5-1.5B-Instruct
    max-model-len: 8192
    dtype: float16
    kv-cache-dtype: bfloat16

Fixed
    # vram: gpu=t4 vllm=0.32.0
    model: Qwen/Qwen2.5-1.5B-Instruct
    max-model-len: 8192
    dtype: float16
    kv-cache-dtype: float16
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A format the GPU has no kernel for."""
    return refusal(plan, RULE.name, ("kv-cache-dtype",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"kv-cache-dtype": "float16"})


RULE = Rule("bfloat16-kv-cache-needs-newer-gpu", __doc__ or "", check_plan=check)
