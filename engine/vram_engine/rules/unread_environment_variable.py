"""A variable is named after an option of vLLM, but vLLM does not read it.

What it checks
    Variables of a container that starts vLLM whose name is ``VLLM_`` and an option, where the option itself is not
    given. The few variables of this kind that vLLM did read in some release are left alone.

Why
    vLLM starts as if the setting were not there.

Example
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command: --model meta-llama/Llama-3.1-8B-Instruct --max-num-seqs 64
        environment:
          VLLM_MAX_MODEL_LEN: 8192

Fixed
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command: --model meta-llama/Llama-3.1-8B-Instruct --max-num-seqs 64 --max-model-len 8192
        environment:
          VLLM_MAX_MODEL_LEN: 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.deployment import Known, Remark
from vram_engine.dialects.values import read_value
from vram_engine.facts.flags import flag
from vram_engine.plan import Plan
from vram_engine.rules.base import ChangeSettings, Finding, Fix, Rule


def check(plan: Plan) -> Iterator[Finding]:
    """Variables without effect."""
    for remark in plan.deployment.remarks:
        if remark.kind == RULE.name:
            yield Finding(RULE.name, "warning", remark.place, remark.message, fixes=tuple(_fixes(plan, remark)))


def _fixes(plan: Plan, remark: Remark) -> Iterator[Fix]:
    """The option, with the value that the variable was given."""
    name, _, text = (remark.instead or "").partition("=")
    option = flag(name)
    value = read_value(option, text) if option is not None and option.type != "bool" and text else None
    if isinstance(value, Known):
        yield Fix(f"Add --{name} {text}", ChangeSettings(plan.index, {name: value.value}))


RULE = Rule("unread-environment-variable", __doc__ or "", check_plan=check)
