"""The model has no layers for multi-token prediction.

What it checks
    Whether method mtp is asked for with a model class of which no checkpoint carries such layers.

Why
    vLLM takes the draft from the checkpoint itself and stops where there is none (vllm/config/speculative.py,
    ``hf_config_override``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    speculative-config: '{"method": "mtp", "num_speculative_tokens": 1}'

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
    """Layers the model does not have."""
    return refusal(plan, RULE.name, ("speculative-config",))


RULE = Rule("mtp-unsupported-by-model", __doc__ or "", check_plan=check)
