"""A mode of prefix caching is set while prefix caching is off.

What it checks
    Whether mamba-cache-mode is other than none while enable-prefix-caching is false, up to 0.32.

Why
    vLLM sets it back to none with a warning (vllm/model_executor/models/config.py, ``MambaModelConfig``).

Example
    # vram: gpu=h100-sxm-80 vllm=0.32.0
    max-model-len: 8192
    enable-prefix-caching: false
    mamba-cache-mode: align

Fixed
    # vram: gpu=h100-sxm-80 vllm=0.32.0
    max-model-len: 8192
    enable-prefix-caching: false
    mamba-cache-mode: none
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.facts.versions import Version
from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import case_of, set_to

_SINCE, _BEFORE = Version(0, 15, 0), Version(0, 33, 0)


def check(plan: Plan) -> Iterator[Finding]:
    """A mode without effect."""
    case = case_of(plan)
    mode = case.text("mamba-cache-mode", "none")
    if not _SINCE <= case.version < _BEFORE or mode in (None, "none"):
        return
    if case.switch("enable-prefix-caching", default=True) is not False:
        return
    message = f"mamba-cache-mode {mode} does nothing while prefix caching is off: vLLM sets it to none"
    yield Finding(RULE.name, "warning", plan.at("mamba-cache-mode"), message, fixes=tuple(_fixes(plan)))


def _fixes(plan: Plan) -> Iterator[Fix]:
    yield set_to(plan, {"mamba-cache-mode": "none"})
    yield set_to(plan, {"enable-prefix-caching": True})


RULE = Rule("mamba-cache-mode-ignored", __doc__ or "", check_plan=check)
