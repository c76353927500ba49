"""The attention backend does not suit the GPU or the model.

What it checks
    attention-backend against the generation of the GPU and the kind of attention.

Why
    A backend that is forced and not valid stops vLLM with "Selected backend is not valid for this configuration"
    (vllm/platforms/cuda.py, ``get_attn_backend_cls``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    attention-backend: FLASHMLA

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    attention-backend: auto
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A backend that does not suit."""
    return refusal(plan, RULE.name, ("attention-backend",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"attention-backend": "auto"})


RULE = Rule("attention-backend-unsupported", __doc__ or "", check_plan=check)
