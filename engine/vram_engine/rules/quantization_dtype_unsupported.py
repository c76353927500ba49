"""The quantized weights cannot be computed in that data type.

What it checks
    The data type in force against those of the quantization method, by release.

Why
    vLLM refuses other types (vllm/config/vllm.py, ``_get_quantization_config``): most kernels compute in 16 bits,
    MXFP4 ones in bfloat16 alone, the older AWQ and GPTQ ones in float16 alone.

Example
    # vram: gpu=l4
    model: Qwen/Qwen3-8B-AWQ
    max-model-len: 8192
    dtype: float32

Fixed
    # vram: gpu=l4
    model: Qwen/Qwen3-8B-AWQ
    max-model-len: 8192
    dtype: auto
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.quantization import OLD_KERNELS_BEFORE, asked
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A data type the kernels do not compute in."""
    return refusal(plan, RULE.name, ("dtype", "quantization"), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    if case.says("dtype"):
        yield set_to(plan, {"dtype": "auto"})
    elif case.version < OLD_KERNELS_BEFORE.get(asked(case) or "", case.version):
        yield set_to(plan, {"dtype": "float16"})


RULE = Rule("quantization-dtype-unsupported", __doc__ or "", check_plan=check)
