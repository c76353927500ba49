"""The release of vLLM no longer has the speculative method.

What it checks
    The method in speculative-config against those that have gone.

Why
    vLLM refuses it like an unknown one (vllm/config/speculative.py, ``SpeculativeMethod``): medusa and
    mlp_speculator went in 0.33.

Example
    # vram: gpu=h100-sxm-80 vllm=0.33.0
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    speculative-config: '{"method": "medusa", "model": "org/heads", "num_speculative_tokens": 4}'

Fixed
    # vram: gpu=h100-sxm-80 vllm=0.33.0
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    speculative-config: '{"method": "ngram", "num_speculative_tokens": 4}'
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.speculation import draft_tokens
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, written_as


def check(plan: Plan) -> Iterator[Finding]:
    """A method that is gone."""
    return refusal(plan, RULE.name, ("speculative-config",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    tokens = draft_tokens(case)
    if tokens is not None:
        ngrams = {"method": "ngram", "num_speculative_tokens": tokens}
        yield written_as(plan, "Draft by n-grams, which needs no model", "speculative-config", ngrams)


RULE = Rule("speculative-method-removed", __doc__ or "", check_plan=check)
