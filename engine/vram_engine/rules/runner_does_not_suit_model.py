"""A model that only makes embeddings or scores is asked to generate.

What it checks
    Whether runner generate is set for an encoder without a language model head.

Why
    vLLM stops with "Embedding models do not support `--runner generate`" (vllm/config/model.py,
    ``ModelConfig.__post_init__``).

Example
    # vram: gpu=l4
    model: BAAI/bge-m3
    max-model-len: 512
    runner: generate

Fixed
    # vram: gpu=l4
    model: BAAI/bge-m3
    max-model-len: 512
    runner: auto
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Generation with a model that cannot."""
    return refusal(plan, RULE.name, ("runner",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"runner": "auto"})


RULE = Rule("runner-does-not-suit-model", __doc__ or "", check_plan=check)
