"""The release of vLLM does not have that option yet.

What it checks
    Every option against the release, where one is stated.

Why
    vLLM stops with "unrecognized arguments".

Example
    # vram: gpu=h100-sxm-80 vllm=0.18.0
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    max-num-active-seqs: 32

Fixed
    # vram: gpu=h100-sxm-80 vllm=0.18.0
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.frontend import first_option_not_there_yet
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, refusal


def check(plan: Plan) -> Iterator[Finding]:
    """An option of a later release."""
    name = first_option_not_there_yet(case_of(plan)) or "model"
    return refusal(plan, RULE.name, (name,))


RULE = Rule("option-too-new", __doc__ or "", check_plan=check)
