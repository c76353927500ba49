"""The release of vLLM has no speculative method of that name.

What it checks
    The method in speculative-config against those of the release.

Why
    vLLM refuses unknown methods (vllm/config/speculative.py, ``SpeculativeMethod``).

Example
    # vram: gpu=h100-sxm-80 vllm=0.32.0
    max-model-len: 8192
    speculative-config: '{"method": "n-gram", "num_speculative_tokens": 4}'

Fixed
    # vram: gpu=h100-sxm-80 vllm=0.32.0
    max-model-len: 8192
    speculative-config: '{"method": "ngram", "num_speculative_tokens": 4}'
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.dialects.spelling import closest
from vram_engine.plan import Plan
from vram_engine.refusals.case import Case, word
from vram_engine.refusals.speculation import METHODS, config
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, written_as


def check(plan: Plan) -> Iterator[Finding]:
    """A method that is not there."""
    return refusal(plan, RULE.name, ("speculative-config",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    asked = config(case) or {}
    close = closest((word(asked, "method") or "")[:64], sorted(METHODS))
    if close is not None:
        yield written_as(plan, f"Write {close}", "speculative-config", {**asked, "method": close})


RULE = Rule("speculative-method-unknown", __doc__ or "", check_plan=check)
