"""Only FlashInfer has a choice of algorithms for Mamba.

What it checks
    Whether mamba-ssu-algorithm comes with mamba-backend flashinfer.

Why
    vLLM refuses it for other backends (vllm/config/mamba.py, ``validate_ssu_algorithm``).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    mamba-ssu-algorithm: simple

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    mamba-ssu-algorithm: simple
    mamba-backend: flashinfer
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A choice the backend does not have."""
    return refusal(plan, RULE.name, ("mamba-ssu-algorithm",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"mamba-backend": "flashinfer"})


RULE = Rule("mamba-algorithm-needs-flashinfer", __doc__ or "", check_plan=check)
