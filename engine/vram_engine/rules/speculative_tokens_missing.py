"""Speculative decoding lacks the number of draft tokens.

What it checks
    Whether a method that looks drafts up in the text is told how many tokens to draft.

Why
    vLLM cannot tell from a draft model there and stops (vllm/config/speculative.py, ``_verify_args``).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    speculative-config: '{"method": "ngram"}'

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    speculative-config: '{"method": "ngram", "num_speculative_tokens": 4}'
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.speculation import config
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, written_as


def check(plan: Plan) -> Iterator[Finding]:
    """Drafts of no length."""
    return refusal(plan, RULE.name, ("speculative-config",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    more = {**(config(case) or {}), "num_speculative_tokens": 4}
    yield written_as(plan, "Draft 4 tokens", "speculative-config", more)


RULE = Rule("speculative-tokens-missing", __doc__ or "", check_plan=check)
