"""The speculative method goes by an older name.

What it checks
    Whether speculative-config names a method by the model it was first for, such as deepseek_mtp.

Why
    vLLM warns and takes mtp, which is what all of them are called now (vllm/config/speculative.py,
    ``__post_init__``).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    speculative-config: '{"method": "deepseek_mtp", "num_speculative_tokens": 1}'

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    speculative-config: '{"method": "mtp", "num_speculative_tokens": 1}'
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vram_engine.facts.versions import Version
from vram_engine.plan import Plan
from vram_engine.refusals.case import word
from vram_engine.refusals.speculation import config
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, written_as

_SINCE = Version(0, 11, 0)


def check(plan: Plan) -> Iterator[Finding]:
    """Names ending in _mtp."""
    case = case_of(plan)
    asked = config(case) or {}
    name = word(asked, "method")
    if name is None or not name.endswith("_mtp") or case.version < _SINCE or plan.refusals:
        return
    message = f"vLLM calls the speculative method {name[:40]} mtp now"
    fix = replace(written_as(plan, "Write mtp", "speculative-config", {**asked, "method": "mtp"}), safety="safe")
    yield Finding(RULE.name, "warning", plan.at("speculative-config"), message, fixes=(fix,))


RULE = Rule("speculative-method-renamed", __doc__ or "", check_plan=check)
