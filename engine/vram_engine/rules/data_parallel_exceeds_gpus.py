"""The data-parallel replicas need more GPUs than there are.

What it checks
    data-parallel-size-local, else data-parallel-size, times the GPUs of one replica against the number of GPUs, on
    one machine.

Why
    Every replica is an engine with GPUs of its own; those without any fail as they start
    (vllm/v1/worker/gpu_worker.py).

Example
    # vram: gpu=h100-sxm-80 gpus=2
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    data-parallel-size: 4

Fixed
    # vram: gpu=h100-sxm-80 gpus=2
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    data-parallel-size: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.ranks import engines_here
from vram_engine.refusals.case import Case
from vram_engine.rules.base import ChangeSettings, Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Replicas without GPUs."""
    return refusal(plan, RULE.name, ("data-parallel-size-local", "data-parallel-size"), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    present = case.node.count if case.node is not None else None
    each = (case.integer("tensor-parallel-size", 1) or 1) * (case.integer("pipeline-parallel-size", 1) or 1)
    if present is not None and present >= each and not case.says("data-parallel-size-local"):
        yield set_to(plan, {"data-parallel-size": present // each})
    counted = plan.deployment.effective("gpus")
    if counted is not None and counted.origin == "file":
        needed = each * engines_here(plan.deployment)
        yield Fix(f"Ask for {needed} GPUs", ChangeSettings(plan.index, {"gpus": needed}))


RULE = Rule("data-parallel-exceeds-gpus", __doc__ or "", check_plan=check)
