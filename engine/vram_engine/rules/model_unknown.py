"""The model's shapes are not known, so there is no verdict.

What it checks
    Whether the model is a readable directory, a model of the catalogue, or at least a parameter count.

Why
    Memory is computed from a model's config.json. Nothing is guessed from a name.

Example
    # vram: gpu=h100-sxm-80
    model: our-team/finetune-of-something
    max-model-len: 8192

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.model.spec import Unavailable
from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule


def check(plan: Plan) -> Iterator[Finding]:
    """The look-up ended without a model."""
    if isinstance(plan.model, Unavailable):
        yield Finding(RULE.name, "information", plan.at("model"), f"no verdict: {plan.model.reason}")


RULE = Rule("model-unknown", __doc__ or "", check_plan=check)
