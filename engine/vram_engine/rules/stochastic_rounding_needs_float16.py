"""Stochastic rounding of states is for states kept in float16.

What it checks
    Whether enable-mamba-cache-stochastic-rounding comes with mamba-ssm-cache-dtype float16.

Why
    vLLM refuses it for other types (vllm/config/vllm.py, ``VllmConfig.__post_init__``).

Example
    # vram: gpu=b200
    max-model-len: 8192
    enable-mamba-cache-stochastic-rounding: true

Fixed
    # vram: gpu=b200
    max-model-len: 8192
    enable-mamba-cache-stochastic-rounding: true
    mamba-ssm-cache-dtype: float16
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Rounding without anything to round."""
    return refusal(plan, RULE.name, ("enable-mamba-cache-stochastic-rounding",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"mamba-ssm-cache-dtype": "float16"})


RULE = Rule("stochastic-rounding-needs-float16", __doc__ or "", check_plan=check)
