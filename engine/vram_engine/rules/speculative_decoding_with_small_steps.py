"""Steps are small for speculative decoding.

What it checks
    Whether max-num-batched-tokens, where the file sets it, is below 8192 with speculative decoding.

Why
    Drafts take room in every step; vLLM warns of less throughput below 8192 tokens (vllm/config/vllm.py,
    ``_set_max_num_scheduled_tokens``).

Example
    # vram: gpu=h100-sxm-80
    max-num-batched-tokens: 2048
    speculative-config: '{"method": "ngram", "num_speculative_tokens": 4}'

Fixed
    # vram: gpu=h100-sxm-80
    max-num-batched-tokens: 8192
    speculative-config: '{"method": "ngram", "num_speculative_tokens": 4}'
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.facts.versions import Version
from vram_engine.plan import Plan
from vram_engine.refusals.speculation import is_on
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, set_to

_SINCE = Version(0, 28, 0)
_ENOUGH = 8192


def check(plan: Plan) -> Iterator[Finding]:
    """Few tokens a step."""
    case = case_of(plan)
    tokens = case.integer("max-num-batched-tokens")
    if tokens is None or tokens >= _ENOUGH or case.version < _SINCE or is_on(case) is not True or plan.refusals:
        return
    message = f"max-num-batched-tokens {tokens:,} is little for speculative decoding: vLLM advises {_ENOUGH:,} at least"
    fix = set_to(plan, {"max-num-batched-tokens": _ENOUGH})
    yield Finding(RULE.name, "hint", plan.at("max-num-batched-tokens"), message, fixes=(fix,))


RULE = Rule("speculative-decoding-with-small-steps", __doc__ or "", check_plan=check)
