"""More requests may run at once than a step has tokens.

What it checks
    Whether max-num-seqs is above max-num-batched-tokens, as set or as vLLM sets it for the GPU.

Why
    Every running request needs a token of each step; vLLM refuses less (vllm/config/scheduler.py,
    ``verify_max_model_len``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    max-num-batched-tokens: 512
    max-num-seqs: 1024

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    max-num-batched-tokens: 512
    max-num-seqs: 512
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.scheduler import step
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """More requests than tokens in a step."""
    return refusal(plan, RULE.name, ("max-num-seqs",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    tokens = step(case)
    if tokens is not None:
        yield set_to(plan, {"max-num-seqs": tokens})


RULE = Rule("max-num-seqs-exceeds-batched-tokens", __doc__ or "", check_plan=check)
