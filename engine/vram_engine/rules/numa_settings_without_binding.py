"""NUMA nodes or cores are named, but binding to them is off.

What it checks
    Whether numa-bind-nodes or numa-bind-cpus is set without numa-bind.

Why
    vLLM refuses settings that would do nothing (vllm/config/parallel.py, ``_validate_parallel_config``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    numa-bind-cpus: 0-7

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    numa-bind-cpus: 0-7
    numa-bind: true
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Binding that is off."""
    return refusal(plan, RULE.name, ("numa-bind-nodes", "numa-bind-cpus"), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"numa-bind": True})


RULE = Rule("numa-settings-without-binding", __doc__ or "", check_plan=check)
