"""vLLM's releases hold no kernels for a GPU of this age.

What it checks
    The compute capability of the GPU against 7.0, the least that any release is compiled for.

Why
    Every start ends with "no kernel image is available for execution on the device" or Triton's refusal
    (``CUDA_SUPPORTED_ARCHS`` in vLLM's CMakeLists.txt). Only a build of one's own can differ.

Example
    # vram: gpu=p40-24
    model: Qwen/Qwen2.5-1.5B-Instruct
    max-model-len: 8192

Fixed
    # vram: gpu=l4
    model: Qwen/Qwen2.5-1.5B-Instruct
    max-model-len: 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import refusal


def check(plan: Plan) -> Iterator[Finding]:
    """A GPU without kernels."""
    return refusal(plan, RULE.name, ("gpu",))


RULE = Rule("gpu-too-old", __doc__ or "", check_plan=check)
