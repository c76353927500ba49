"""The moonep exchange moves bfloat16 experts only.

What it checks
    Whether all2all-backend moonep meets quantized weights or another data type.

Why
    vLLM refuses it for anything but unquantized bfloat16 (vllm/config/vllm.py, ``VllmConfig.__post_init__``).

Example
    # vram: gpu=h100-sxm-80
    model: Qwen/Qwen3-30B-A3B-FP8
    max-model-len: 8192
    all2all-backend: moonep

Fixed
    # vram: gpu=h100-sxm-80
    model: Qwen/Qwen3-30B-A3B-FP8
    max-model-len: 8192
    all2all-backend: allgather_reducescatter
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Weights MoonEP does not move."""
    return refusal(plan, RULE.name, ("all2all-backend",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"all2all-backend": "allgather_reducescatter"})


RULE = Rule("moonep-needs-bfloat16", __doc__ or "", check_plan=check)
