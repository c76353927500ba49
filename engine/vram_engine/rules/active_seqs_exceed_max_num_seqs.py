"""More requests may be active than there are slots for.

What it checks
    Whether max-num-active-seqs is above max-num-seqs.

Why
    It narrows admission and cannot widen it; vLLM refuses (vllm/config/scheduler.py, ``verify_max_model_len``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    max-num-seqs: 64
    max-num-active-seqs: 128

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    max-num-seqs: 64
    max-num-active-seqs: 64
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.scheduler import most_requests
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """More active requests than slots."""
    return refusal(plan, RULE.name, ("max-num-active-seqs",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    requests = most_requests(case)
    if requests is not None:
        yield set_to(plan, {"max-num-active-seqs": requests})


RULE = Rule("active-seqs-exceed-max-num-seqs", __doc__ or "", check_plan=check)
