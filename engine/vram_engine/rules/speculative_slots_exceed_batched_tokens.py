"""The drafts leave no room for tokens in a step.

What it checks
    Whether max-num-batched-tokens is above the slots that the drafting method takes of it.

Why
    vLLM refuses a step in which nothing can be scheduled (vllm/config/vllm.py, ``_set_max_num_scheduled_tokens``).

Example
    # vram: gpu=h100-sxm-80
    max-num-batched-tokens: 8
    speculative-config: '{"method": "dflash", "model": "org/dflash", "num_speculative_tokens": 15}'

Fixed
    # vram: gpu=h100-sxm-80
    max-num-batched-tokens: 8192
    speculative-config: '{"method": "dflash", "model": "org/dflash", "num_speculative_tokens": 15}'
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Drafts that fill the step."""
    return refusal(plan, RULE.name, ("max-num-batched-tokens",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"max-num-batched-tokens": 8192})


RULE = Rule("speculative-slots-exceed-batched-tokens", __doc__ or "", check_plan=check)
