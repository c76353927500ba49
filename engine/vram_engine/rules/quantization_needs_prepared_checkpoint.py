"""The quantization reads a prepared checkpoint, and this one is not quantized.

What it checks
    Whether the method only reads weights that were quantized before, while the checkpoint has plain ones.

Why
    vLLM stops with "Cannot find the config file" (vllm/model_executor/model_loader/weight_utils.py,
    ``get_quant_config``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    quantization: awq

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    quantization: fp8_per_tensor
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.online_weights import set_online
from vram_engine.rules.refusing import refusal


def check(plan: Plan) -> Iterator[Finding]:
    """A method without its weights."""
    return refusal(plan, RULE.name, ("quantization",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield from set_online(plan)


RULE = Rule("quantization-needs-prepared-checkpoint", __doc__ or "", check_plan=check)
