"""The number of draft tokens is not above 0.

What it checks
    Whether num_speculative_tokens is at least 1.

Why
    vLLM refuses anything less (vllm/config/speculative.py, ``_verify_args``).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    speculative-config: '{"method": "ngram", "num_speculative_tokens": 0}'

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    speculative-config: '{"method": "ngram", "num_speculative_tokens": 1}'
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
    more = {**(config(case) or {}), "num_speculative_tokens": 1}
    yield written_as(plan, "Draft 1 token", "speculative-config", more)


RULE = Rule("speculative-tokens-not-positive", __doc__ or "", check_plan=check)
