"""speculative-config has a key that vLLM does not know.

What it checks
    The keys of speculative-config against all that it has had.

Why
    vLLM refuses unknown keys (vllm/config/speculative.py).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    speculative-config: '{"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_maxi": 4}'

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    speculative-config: '{"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4}'
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.dialects.spelling import closest
from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.speculation import KEYS, config
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, written_as


def check(plan: Plan) -> Iterator[Finding]:
    """A key that is none."""
    return refusal(plan, RULE.name, ("speculative-config",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    asked = config(case) or {}
    unknown = [key for key in asked if key not in KEYS]
    better = {key: closest(key[:64].replace("-", "_"), sorted(KEYS)) for key in unknown}
    if all(better.values()):
        renamed = {better.get(key) or key: value for key, value in asked.items()}
        yield written_as(plan, f"Write {', '.join(filter(None, better.values()))}", "speculative-config", renamed)


RULE = Rule("speculative-key-unknown", __doc__ or "", check_plan=check)
