"""No attention kernel reads blocks of that size.

What it checks
    Whether block-size is a multiple of 16.

Why
    vLLM finds no attention backend for other sizes (``get_supported_kernel_block_sizes`` in
    vllm/v1/attention/backends).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    block-size: 24

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    block-size: 32
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Blocks no kernel reads."""
    return refusal(plan, RULE.name, ("block-size",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    size = case.integer("block-size")
    if size is not None and size > 0:
        yield set_to(plan, {"block-size": -(-size // 16) * 16})


RULE = Rule("block-size-unsupported", __doc__ or "", check_plan=check)
