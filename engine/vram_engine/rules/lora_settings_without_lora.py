"""LoRA is tuned but not switched on.

What it checks
    Whether settings of LoRA are there without enable-lora.

Why
    vLLM reads them only with enable-lora (vllm/engine/arg_utils.py, ``create_engine_config``); without it they do
    nothing.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    max-lora-rank: 64

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    max-lora-rank: 64
    enable-lora: true
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, set_to

_TUNES = ("max-lora-rank", "max-loras", "max-cpu-loras", "fully-sharded-loras", "lora-target-modules", "lora-dtype")


def check(plan: Plan) -> Iterator[Finding]:
    """Settings that do nothing."""
    case = case_of(plan)
    idle = [name for name in _TUNES if _is_said(plan, name)]
    if not idle or case.switch("enable-lora") is not False or case.says("lora-modules"):
        return
    message = f"{', '.join(idle)} without enable-lora does nothing"
    fix = set_to(plan, {"enable-lora": True})
    yield Finding(RULE.name, "warning", plan.at(*idle), message, fixes=(fix,))


def _is_said(plan: Plan, name: str) -> bool:
    setting = plan.deployment.effective(name)
    return setting is not None and setting.origin == "file" and plan.deployment.value(name) not in (None, False)


RULE = Rule("lora-settings-without-lora", __doc__ or "", check_plan=check)
