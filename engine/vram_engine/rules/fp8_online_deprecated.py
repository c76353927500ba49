"""fp8 is the old name for quantizing plain weights while they are loaded.

What it checks
    Whether quantization fp8 meets a checkpoint with plain weights, in 0.31 and later. Where no release is stated
    nothing is said: an older one knows no other name.

Why
    vLLM warns and asks for fp8_per_tensor, which does the same (vllm/model_executor/model_loader/weight_utils.py).

Example
    # vram: gpu=h100-sxm-80 vllm=0.33.0
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    quantization: fp8

Fixed
    # vram: gpu=h100-sxm-80 vllm=0.33.0
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    quantization: fp8_per_tensor
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vram_engine.plan import Plan
from vram_engine.recommend.remedies import FP8_PER_TENSOR_SINCE
from vram_engine.refusals.quantization import asked
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """The old name."""
    case = case_of(plan)
    if not case.release_is_stated or case.version < FP8_PER_TENSOR_SINCE or plan.deployment.dialect == "profile":
        return
    if case.model is None or case.model.quantization is not None or asked(case) != "fp8":
        return
    message = "quantization fp8 of plain weights is deprecated; fp8_per_tensor does the same"
    fix = replace(set_to(plan, {"quantization": "fp8_per_tensor"}), safety="safe")
    yield Finding(RULE.name, "warning", plan.at("quantization"), message, fixes=(fix,))


RULE = Rule("fp8-online-deprecated", __doc__ or "", check_plan=check)
