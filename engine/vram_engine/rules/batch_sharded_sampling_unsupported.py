"""Batch-sharded sampling has nothing to share out, or cannot.

What it checks
    Whether enable-batch-sharded-sampling comes with tensor parallelism, enough requests and a bound on logprobs.

Why
    vLLM refuses it with its reasons (vllm/config/vllm.py, ``_validate_batch_sharded_sampling``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    enable-batch-sharded-sampling: true

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    enable-batch-sharded-sampling: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Sampling that cannot be shared out."""
    return refusal(plan, RULE.name, ("enable-batch-sharded-sampling",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"enable-batch-sharded-sampling": False})


RULE = Rule("batch-sharded-sampling-unsupported", __doc__ or "", check_plan=check)
