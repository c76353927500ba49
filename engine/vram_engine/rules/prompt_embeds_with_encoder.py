"""Prompts cannot be embeddings where the model has an encoder of its own.

What it checks
    Whether enable-prompt-embeds is on for an encoder-decoder model.

Why
    vLLM refuses the pair (vllm/config/model.py, ``validate_model_config_after``): such decoders embed their input
    themselves.

Example
    # vram: gpu=l4
    model: openai/whisper-large-v3
    enable-prompt-embeds: true

Fixed
    # vram: gpu=l4
    model: openai/whisper-large-v3
    enable-prompt-embeds: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Embeddings as input of a model that makes its own."""
    return refusal(plan, RULE.name, ("enable-prompt-embeds",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"enable-prompt-embeds": False})


RULE = Rule("prompt-embeds-with-encoder", __doc__ or "", check_plan=check)
