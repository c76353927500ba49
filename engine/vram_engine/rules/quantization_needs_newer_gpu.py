"""The GPU is too old for the quantized weights.

What it checks
    The compute capability of the GPU against the least one of the method, by release; for compressed-tensors by the
    scheme of the weights.

Why
    vLLM stops with "The quantization method is not supported for the current GPU" (vllm/config/vllm.py,
    ``_get_quantization_config``).

Example
    # vram: gpu=v100-sxm2-32 vllm=0.19.1
    model: Qwen/Qwen3-8B-AWQ
    max-model-len: 8192

Fixed
    # vram: gpu=l4
    model: Qwen/Qwen3-8B-AWQ
    max-model-len: 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import refusal


def check(plan: Plan) -> Iterator[Finding]:
    """Weights the GPU has no kernels for."""
    return refusal(plan, RULE.name, ("quantization", "model"))


RULE = Rule("quantization-needs-newer-gpu", __doc__ or "", check_plan=check)
