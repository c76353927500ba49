"""The object size of a shared cache is set without the shared cache.

What it checks
    Whether mm-shm-cache-max-object-size-mb comes with mm-processor-cache-type shm.

Why
    vLLM refuses a limit that limits nothing (vllm/config/multimodal.py, ``_validate_multimodal_config``).

Example
    # vram: gpu=h100-sxm-80
    model: Qwen/Qwen2.5-VL-3B-Instruct
    max-model-len: 8192
    mm-shm-cache-max-object-size-mb: 256

Fixed
    # vram: gpu=h100-sxm-80
    model: Qwen/Qwen2.5-VL-3B-Instruct
    max-model-len: 8192
    mm-shm-cache-max-object-size-mb: 256
    mm-processor-cache-type: shm
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A limit of another cache."""
    return refusal(plan, RULE.name, ("mm-shm-cache-max-object-size-mb",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"mm-processor-cache-type": "shm"})


RULE = Rule("mm-object-size-without-shm", __doc__ or "", check_plan=check)
