"""nnodes is set although Ray places the ranks.

What it checks
    Whether nnodes is above 1 with distributed-executor-backend ray.

Why
    nnodes belongs to the multiprocessing executor; vLLM refuses it beside Ray (vllm/config/parallel.py).

Example
    # vram: gpu=h100-sxm-80 gpus=4
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    tensor-parallel-size: 4
    nnodes: 2
    distributed-executor-backend: ray

Fixed
    # vram: gpu=h100-sxm-80 gpus=4
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    tensor-parallel-size: 4
    nnodes: 2
    distributed-executor-backend: mp
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Two ways to spread ranks."""
    return refusal(plan, RULE.name, ("distributed-executor-backend",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"distributed-executor-backend": "mp"})
    yield set_to(plan, {"nnodes": 1})


RULE = Rule("nnodes-with-ray", __doc__ or "", check_plan=check)
