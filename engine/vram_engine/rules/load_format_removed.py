"""The release of vLLM no longer loads weights that way.

What it checks
    load-format against the loaders of the release.

Why
    vLLM stops with an invalid choice (vllm/model_executor/model_loader): gguf went in 0.24, bitsandbytes in 0.28.

Example
    # vram: gpu=h100-sxm-80 vllm=0.32.0
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    load-format: bitsandbytes

Fixed
    # vram: gpu=h100-sxm-80 vllm=0.32.0
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    load-format: auto
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A way of loading that is gone."""
    return refusal(plan, RULE.name, ("load-format",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"load-format": "auto"})


RULE = Rule("load-format-removed", __doc__ or "", check_plan=check)
