"""The shortest n-gram to look up is longer than the longest.

What it checks
    Whether prompt_lookup_min is at most prompt_lookup_max.

Why
    vLLM refuses the empty range (vllm/config/speculative.py, ``__post_init__``).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    speculative-config: '{"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_min": 5, "prompt_lookup_max": 2}'

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    speculative-config: '{"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_min": 2, "prompt_lookup_max": 5}'
"""  # noqa: E501  # YAML of one line

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.speculation import config
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, written_as


def check(plan: Plan) -> Iterator[Finding]:
    """A range that is empty."""
    return refusal(plan, RULE.name, ("speculative-config",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    asked = config(case) or {}
    swapped = {"prompt_lookup_min": asked.get("prompt_lookup_max"), "prompt_lookup_max": asked.get("prompt_lookup_min")}
    yield written_as(plan, "Swap the two", "speculative-config", {**asked, **swapped})


RULE = Rule("ngram-lookup-reversed", __doc__ or "", check_plan=check)
