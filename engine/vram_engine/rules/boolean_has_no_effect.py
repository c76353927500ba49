"""A snake_case key is set to false in vLLM's configuration file, which vLLM drops without a word.

What it checks
    Switches in a ``--config`` file that are on, or may be, by themselves. vLLM turns false into ``--no-`` and the key
    as it is spelled, and only the kebab-case spelling is an option.

Why
    vLLM starts with the switch as if the line were not there.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max_model_len: 8192
    enable_prefix_caching: false

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max_model_len: 8192
    enable-prefix-caching: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.deployment import Remark
from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Fix, RenameKey, Rule
from vram_engine.syntax.route import Place


def check(plan: Plan) -> Iterator[Finding]:
    """Switches that stay on."""
    for remark in plan.deployment.remarks:
        if remark.kind == RULE.name:
            yield Finding(RULE.name, "warning", remark.place, remark.message, fixes=_fixes(remark))


def _fixes(remark: Remark) -> tuple[Fix, ...]:
    if remark.instead is None or not isinstance(remark.place, Place):
        return ()
    return (Fix(f"Rename to {remark.instead}", RenameKey(remark.place, remark.instead), "safe"),)


RULE = Rule("boolean-has-no-effect", __doc__ or "", check_plan=check)
