"""The largest CUDA graph is not the largest of the sizes.

What it checks
    Whether max-cudagraph-capture-size is the largest of cudagraph-capture-sizes that fits a step.

Why
    vLLM refuses the contradiction where both are set (vllm/config/vllm.py, ``_set_cudagraph_sizes``).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    cudagraph-capture-sizes: [1, 2, 4, 8]
    max-cudagraph-capture-size: 16

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    cudagraph-capture-sizes: [1, 2, 4, 8]
    max-cudagraph-capture-size: 8
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.cuda_graphs import capture_sizes
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A largest size that is not."""
    return refusal(plan, RULE.name, ("max-cudagraph-capture-size", "compilation-config"), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    sizes = capture_sizes(case)
    if sizes and case.says("max-cudagraph-capture-size"):
        yield set_to(plan, {"max-cudagraph-capture-size": max(sizes)})


RULE = Rule("capture-sizes-disagree", __doc__ or "", check_plan=check)
