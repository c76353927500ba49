"""Adapters by kind of input are set for a model that takes text alone.

What it checks
    Whether default-mm-loras is set for a model without an encoder for images or sound.

Why
    vLLM refuses them (vllm/engine/arg_utils.py, ``create_engine_config``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    default-mm-loras: '{"audio": "/adapters/audio"}'

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import refusal


def check(plan: Plan) -> Iterator[Finding]:
    """Adapters for media the model does not take."""
    return refusal(plan, RULE.name, ("default-mm-loras",))


RULE = Rule("mm-loras-on-text-model", __doc__ or "", check_plan=check)
