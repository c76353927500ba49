"""The ranks cannot be shared out evenly over that many nodes.

What it checks
    Whether nnodes divides the product of the tensor, pipeline, prefill-context and data parallel sizes.

Why
    vLLM starts equally many ranks on every node and refuses anything else (vllm/engine/arg_utils.py,
    ``create_engine_config``).

Example
    # vram: gpu=h100-sxm-80 gpus=4
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    tensor-parallel-size: 4
    nnodes: 3

Fixed
    # vram: gpu=h100-sxm-80 gpus=4
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    tensor-parallel-size: 4
    nnodes: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.parallel import ranks
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Nodes of unequal shares."""
    return refusal(plan, RULE.name, ("nnodes",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    nodes, world = case.integer("nnodes"), ranks(case)
    if nodes is not None and world is not None:
        smaller = [count for count in range(1, min(nodes, 1024)) if world % count == 0]
        yield set_to(plan, {"nnodes": smaller[-1]})


RULE = Rule("nnodes-do-not-divide", __doc__ or "", check_plan=check)
