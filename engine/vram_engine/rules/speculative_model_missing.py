"""Speculative decoding lacks its draft model.

What it checks
    Whether a method that drafts with a model of its own is given one.

Why
    vLLM stops with "num_speculative_tokens was provided but without speculative model" (vllm/config/speculative.py,
    ``__post_init__``).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    speculative-config: '{"method": "eagle3", "num_speculative_tokens": 3}'

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    speculative-config: '{"method": "eagle3", "num_speculative_tokens": 3, "model": "org/eagle3"}'
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import refusal


def check(plan: Plan) -> Iterator[Finding]:
    """Drafts without a model."""
    return refusal(plan, RULE.name, ("speculative-config",))


RULE = Rule("speculative-model-missing", __doc__ or "", check_plan=check)
