"""The deployment asks for more GPUs than there are.

What it checks
    tensor-parallel-size times pipeline-parallel-size, times the data-parallel engines that start here, against the
    number of GPUs, where something says that number: the file (a container's limit, a reservation, device ids, a
    group's size), a comment, or outside settings. Where other machines may take part, nothing is said.

Why
    vLLM stops with "World size (N) is larger than the number of available GPUs"; an engine of a data-parallel group
    finds no device with its number.

Example
    # vram: gpu=h100-sxm-80 gpus=2
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    tensor-parallel-size: 4

Fixed
    # vram: gpu=h100-sxm-80 gpus=2
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    tensor-parallel-size: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.hardware import Node
from vram_engine.plan import Plan, place_of
from vram_engine.ranks import engines_here
from vram_engine.rules.base import ChangeSettings, Finding, Fix, Related, Rule

_LARGEST_TP = 1024


def check(plan: Plan) -> Iterator[Finding]:
    """World size against GPUs."""
    refused = plan.refused(RULE.name)
    if refused is None:
        return
    counted = place_of(plan.deployment.effective("gpus"))
    yield Finding(
        RULE.name,
        "error",
        plan.at("tensor-parallel-size", "gpus"),
        "; ".join(filter(None, (refused.message, plan.choices_words))),
        fixes=tuple(_fixes(plan)),
        related=() if counted is None else (Related(counted, "the number of GPUs"),),
    )


def _fixes(plan: Plan) -> Iterator[Fix]:
    """The largest part of the size that the GPUs can hold; or as many GPUs as it takes, where the file counts."""
    present = plan.node.count if isinstance(plan.node, Node) else plan.deployment.integer("gpus")
    others = (plan.deployment.integer("pipeline-parallel-size") or 1) * engines_here(plan.deployment)
    size = plan.args.tensor_parallel_size
    fitting = [
        number for number in range(1, min((present or 0) // others, size, _LARGEST_TP) + 1) if size % number == 0
    ]
    if fitting:
        change = ChangeSettings(plan.index, {"tensor-parallel-size": fitting[-1]})
        yield Fix(f"Set tensor-parallel-size to {fitting[-1]}", change)
    counted = plan.deployment.effective("gpus")
    if counted is not None and counted.origin == "file" and present is not None:
        yield Fix(f"Ask for {size * others} GPUs", ChangeSettings(plan.index, {"gpus": size * others}))


RULE = Rule("tensor-parallel-exceeds-gpus", __doc__ or "", check_plan=check)
