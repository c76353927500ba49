"""vLLM's builds no longer hold kernels for a GPU of this age.

What it checks
    The compute capability of the GPU against 7.5, the least that builds of vLLM since 0.20 are made for. Where nothing
    says the release, it is information.

Why
    vLLM 0.20 moved to PyTorch 2.11, whose builds for CUDA 12.9 and 13 have no kernels for Volta (V100): a start ends
    with "no kernel image is available for execution on the device". Only a build of one's own can differ.

Example
    # vram: gpu=v100-sxm2-32 vllm=0.20.0
    model: Qwen/Qwen2.5-1.5B-Instruct
    max-model-len: 8192

Fixed
    # vram: gpu=l4 vllm=0.20.0
    model: Qwen/Qwen2.5-1.5B-Instruct
    max-model-len: 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import refusal


def check(plan: Plan) -> Iterator[Finding]:
    """A GPU that newer builds have no kernels for."""
    return refusal(plan, RULE.name, ("gpu",))


RULE = Rule("gpu-no-longer-supported", __doc__ or "", check_plan=check)
