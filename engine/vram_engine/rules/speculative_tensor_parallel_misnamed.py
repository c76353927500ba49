"""The draft's tensor parallel size goes by another name.

What it checks
    Whether speculative-config holds tensor_parallel_size.

Why
    vLLM refuses it and asks for draft_tensor_parallel_size (vllm/config/speculative.py, ``_verify_args``).

Example
    # vram: gpu=h100-sxm-80 gpus=4
    tensor-parallel-size: 4
    speculative-config: '{"model": "org/eagle3", "num_speculative_tokens": 3, "tensor_parallel_size": 1}'

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
    """A size by another name."""
    return refusal(plan, RULE.name, ("speculative-config",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    asked = config(case) or {}
    renamed = {"draft_tensor_parallel_size" if key == "tensor_parallel_size" else key: asked[key] for key in asked}
    yield written_as(plan, "Write draft_tensor_parallel_size", "speculative-config", renamed)


RULE = Rule("speculative-tensor-parallel-misnamed", __doc__ or "", check_plan=check)
