"""No kernel reads an FP8 KV cache on this GPU.

What it checks
    kv-cache-dtype against the compute capability: FP8 needs 8.9 in Triton's kernels, which are all there is before
    Ampere, for latent attention, for scales by token and head, and where they are forced.

Why
    vLLM stops as it builds the attention layers (vllm/v1/attention/backends/triton_attn.py). Ampere reads FP8 through
    FlashInfer.

Example
    # vram: gpu=t4
    model: Qwen/Qwen2.5-1.5B-Instruct
    max-model-len: 8192
    dtype: float16
    kv-cache-dtype: fp8

Fixed
    # vram: gpu=t4
    model: Qwen/Qwen2.5-1.5B-Instruct
    max-model-len: 8192
    dtype: float16
    kv-cache-dtype: auto
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
    yield set_to(plan, {"kv-cache-dtype": "auto"})


RULE = Rule("fp8-kv-cache-needs-newer-gpu", __doc__ or "", check_plan=check)
