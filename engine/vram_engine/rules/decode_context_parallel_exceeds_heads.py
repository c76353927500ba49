"""Decode context parallelism has no repeated KV heads to share out.

What it checks
    For models without latent attention: whether tensor-parallel-size is above the number of KV heads, by enough for
    decode-context-parallel-size, and whether that divides the query heads of a KV head.

Why
    It shares the tokens of KV heads that tensor parallelism repeats. Where none are repeated vLLM refuses
    (vllm/config/model.py, ``verify_with_parallel_config``).

Example
    # vram: gpu=h100-sxm-80 gpus=4
    model: Qwen/Qwen2.5-7B-Instruct
    max-model-len: 8192
    tensor-parallel-size: 4
    decode-context-parallel-size: 2

Fixed
    # vram: gpu=h100-sxm-80 gpus=4
    model: Qwen/Qwen2.5-7B-Instruct
    max-model-len: 8192
    tensor-parallel-size: 4
    decode-context-parallel-size: 1
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Ranks with nothing to share."""
    return refusal(plan, RULE.name, ("decode-context-parallel-size",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"decode-context-parallel-size": 1})


RULE = Rule("decode-context-parallel-exceeds-heads", __doc__ or "", check_plan=check)
