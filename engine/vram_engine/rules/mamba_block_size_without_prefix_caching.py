"""mamba-block-size is set while prefix caching is off.

What it checks
    Whether mamba-block-size, where it differs from max-model-len, comes with prefix caching.

Why
    Without prefix caching a state has one block of the whole length; vLLM refuses another size (vllm/config/vllm.py,
    ``validate_mamba_block_size``).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    mamba-block-size: 512
    enable-prefix-caching: false

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    mamba-block-size: 512
    enable-prefix-caching: true
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Blocks nobody looks up."""
    return refusal(plan, RULE.name, ("mamba-block-size",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"enable-prefix-caching": True})


RULE = Rule("mamba-block-size-without-prefix-caching", __doc__ or "", check_plan=check)
