"""A switch is given a value.

What it checks
    Options that are either there or not (``--enforce-eager``), written with ``=true`` or a word behind them. Two of
    them took a value before vLLM 0.8.5; they are left alone where the image is that old.

Why
    vLLM stops with "ignored explicit argument" or "unrecognized arguments". Off is written ``--no-`` and the option.

Example
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command: --model meta-llama/Llama-3.1-8B-Instruct --enable-prefix-caching=false --max-model-len 8192

Fixed
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command: --model meta-llama/Llama-3.1-8B-Instruct --no-enable-prefix-caching --max-model-len 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule, remark_findings


def check(plan: Plan) -> Iterator[Finding]:
    """Switches with a value."""
    return remark_findings(plan, RULE.name, "error", "Write it as a switch")


RULE = Rule("boolean-with-value", __doc__ or "", check_plan=check)
