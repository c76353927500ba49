"""The quantization is for experts alone, and the model has none.

What it checks
    Whether a method that only quantizes routed experts meets a model without them.

Why
    vLLM loads all weights in 16 bits without a word: nothing gets smaller (vllm/config/quantization.py).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    quantization: int8_per_channel_weight_only

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    quantization: fp8_per_tensor
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.quantization import asked
from vram_engine.refusals.quantization_methods import EXPERTS_ONLY
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.online_weights import set_online
from vram_engine.rules.refusing import case_of


def check(plan: Plan) -> Iterator[Finding]:
    """Experts the model does not have."""
    case = case_of(plan)
    name = asked(case)
    if case.model is None or case.model.experts is not None or name not in EXPERTS_ONLY or plan.refusals:
        return
    message = f"{name} quantizes routed experts only, and this model has none: its weights stay as they are"
    where = plan.at("quantization")
    yield Finding(RULE.name, "warning", where, message, fixes=tuple(set_online(plan)))


RULE = Rule("quantization-without-experts", __doc__ or "", check_plan=check)
