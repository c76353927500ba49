"""The model cannot be cut into pipeline stages.

What it checks
    Whether pipeline-parallel-size is above 1 for a model class without support for it.

Why
    vLLM stops with "Pipeline parallelism is not supported for this model" (vllm/config/model.py,
    ``verify_with_parallel_config``).

Example
    # vram: gpu=h100-sxm-80 gpus=2
    model: openai/whisper-large-v3
    pipeline-parallel-size: 2

Fixed
    # vram: gpu=h100-sxm-80 gpus=2
    model: openai/whisper-large-v3
    pipeline-parallel-size: 1
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Stages of a model that has none."""
    return refusal(plan, RULE.name, ("pipeline-parallel-size",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"pipeline-parallel-size": 1})


RULE = Rule("pipeline-parallel-unsupported", __doc__ or "", check_plan=check)
