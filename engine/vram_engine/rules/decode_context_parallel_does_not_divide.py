"""The decode context parallel size does not divide the tensor parallel size.

What it checks
    Whether tensor-parallel-size is a multiple of decode-context-parallel-size.

Why
    The ranks that share a request's KV cache are taken from the tensor-parallel ones, so vLLM refuses other sizes
    (vllm/config/parallel.py, ``_validate_parallel_config``).

Example
    # vram: gpu=h100-sxm-80 gpus=2
    model: deepseek-ai/DeepSeek-V2-Lite
    max-model-len: 8192
    tensor-parallel-size: 2
    decode-context-parallel-size: 4

Fixed
    # vram: gpu=h100-sxm-80 gpus=2
    model: deepseek-ai/DeepSeek-V2-Lite
    max-model-len: 8192
    tensor-parallel-size: 2
    decode-context-parallel-size: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Ranks that do not divide."""
    return refusal(plan, RULE.name, ("decode-context-parallel-size",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    tensor, ranks = case.integer("tensor-parallel-size", 1), case.integer("decode-context-parallel-size")
    if tensor is not None and ranks is not None:
        smaller = [size for size in range(1, min(tensor, ranks, 1024) + 1) if tensor % size == 0]
        yield set_to(plan, {"decode-context-parallel-size": smaller[-1]})


RULE = Rule("decode-context-parallel-does-not-divide", __doc__ or "", check_plan=check)
