"""node-rank is not the number of one of the nodes.

What it checks
    Whether node-rank is from 0 to nnodes - 1.

Why
    Nodes are counted from zero; vLLM refuses other numbers (vllm/engine/arg_utils.py, ``create_engine_config``).

Example
    # vram: gpu=h100-sxm-80 gpus=4
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    tensor-parallel-size: 4
    nnodes: 2
    node-rank: 2

Fixed
    # vram: gpu=h100-sxm-80 gpus=4
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    tensor-parallel-size: 4
    nnodes: 2
    node-rank: 1
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A node that is none."""
    return refusal(plan, RULE.name, ("node-rank",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    nodes = case.integer("nnodes")
    if nodes is not None:
        yield set_to(plan, {"node-rank": nodes - 1})


RULE = Rule("node-rank-out-of-range", __doc__ or "", check_plan=check)
