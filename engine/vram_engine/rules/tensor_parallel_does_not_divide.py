"""The tensor parallel size does not divide the model.

What it checks
    Whether attention heads, KV heads and the widths of the layers can be dealt out evenly to that many GPUs. KV heads
    are repeated where there are fewer of them than GPUs.

Why
    vLLM refuses such a size, for attention heads with "must be divisible by tensor parallel size".

Example
    # vram: gpu=h100-sxm-80 gpus=4
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    tensor-parallel-size: 3

Fixed
    # vram: gpu=h100-sxm-80 gpus=4
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    tensor-parallel-size: 4
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vram_engine.hardware import Node
from vram_engine.model.reference import FoundModel
from vram_engine.model.spec import ModelSpec
from vram_engine.plan import Plan
from vram_engine.refusals.limits import division_of
from vram_engine.rules.base import ChangeSettings, Finding, Fix, Rule

_LARGEST_TP = 64


def check(plan: Plan) -> Iterator[Finding]:
    """vLLM refuses to split the model that way."""
    refused = plan.refused(RULE.name)
    if refused is not None and isinstance(plan.model, FoundModel):
        where = plan.at("tensor-parallel-size", "model")
        fixes = tuple(_fixes(plan, plan.model.spec))
        yield Finding(RULE.name, "error", where, f"vLLM refuses: {refused.message}", fixes=fixes)


def _fixes(plan: Plan, spec: ModelSpec) -> Iterator[Fix]:
    """The nearest sizes that work, larger ones first where the GPUs are there."""
    present = plan.node.count if isinstance(plan.node, Node) else None
    now = plan.args.tensor_parallel_size
    larger = range(now + 1, min(present or _LARGEST_TP, _LARGEST_TP) + 1)
    for sizes in (larger, range(min(now - 1, _LARGEST_TP), 0, -1)):
        for size in sizes:
            if division_of(spec, replace(plan.args, tensor_parallel_size=size)) is None:
                change = ChangeSettings(plan.index, {"tensor-parallel-size": size})
                yield Fix(f"Set tensor-parallel-size to {size}", change)
                break


RULE = Rule("tensor-parallel-does-not-divide", __doc__ or "", check_plan=check)
