"""Tensor parallelism would cut the groups of weights that share a scale.

What it checks
    Whether every GPU's share of the quantized matrices is a whole number of quantization groups or blocks.

Why
    Scales cannot be cut: vLLM refuses the size as it builds the layers (vllm/model_executor/layers/quantization),
    although heads and widths divide.

Example
    # vram: gpu=l4 gpus=8
    model: Qwen/Qwen2.5-14B-Instruct-AWQ
    max-model-len: 8192
    tensor-parallel-size: 8

Fixed
    # vram: gpu=l4 gpus=8
    model: Qwen/Qwen2.5-14B-Instruct-AWQ
    max-model-len: 8192
    tensor-parallel-size: 4
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.limits import division_of
from vram_engine.refusals.quantization import cut_by
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Groups that are cut."""
    return refusal(plan, RULE.name, ("tensor-parallel-size",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    ranks = plan.args.tensor_parallel_size
    for size in range(min(ranks - 1, 64), 0, -1):
        args = replace(plan.args, tensor_parallel_size=size)
        if case.model is not None and division_of(case.model, args) is None and cut_by(case, size) is None:
            yield set_to(plan, {"tensor-parallel-size": size})
            return


RULE = Rule("tensor-parallel-cuts-quantization-groups", __doc__ or "", check_plan=check)
