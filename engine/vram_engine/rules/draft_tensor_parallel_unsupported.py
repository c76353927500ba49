"""The draft model is spread over some of the GPUs, neither one nor all.

What it checks
    Whether draft_tensor_parallel_size is 1 or the target's tensor-parallel-size.

Why
    vLLM refuses sizes between (vllm/config/speculative.py, ``_verify_and_get_draft_tp``).

Example
    # vram: gpu=h100-sxm-80 gpus=4
    tensor-parallel-size: 4
    speculative-config: '{"model": "org/eagle3", "num_speculative_tokens": 3, "draft_tensor_parallel_size": 2}'

Fixed
    # vram: gpu=h100-sxm-80 gpus=4
    tensor-parallel-size: 4
    speculative-config: '{"model": "org/eagle3", "num_speculative_tokens": 3, "draft_tensor_parallel_size": 1}'
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.speculation import config
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, written_as


def check(plan: Plan) -> Iterator[Finding]:
    """A draft on some of the ranks."""
    return refusal(plan, RULE.name, ("speculative-config",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    more = {**(config(case) or {}), "draft_tensor_parallel_size": 1}
    yield written_as(plan, "Draft on one GPU", "speculative-config", more)


RULE = Rule("draft-tensor-parallel-unsupported", __doc__ or "", check_plan=check)
