"""The threshold for long prompts is above the longest prompt.

What it checks
    Whether long-prefill-token-threshold is above max-model-len.

Why
    vLLM refuses a threshold that nothing can reach (vllm/config/scheduler.py, ``verify_max_model_len``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    long-prefill-token-threshold: 16384

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    long-prefill-token-threshold: 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.scheduler import context
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A threshold no prompt reaches."""
    return refusal(plan, RULE.name, ("long-prefill-token-threshold",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    length = context(case)
    if length is not None:
        yield set_to(plan, {"long-prefill-token-threshold": length})


RULE = Rule("long-prefill-threshold-exceeds-max-model-len", __doc__ or "", check_plan=check)
