"""An option and its value stand in one list item, and so reach vLLM as one word.

What it checks
    Items of a command list such as ``- --tensor-parallel-size 2``. A list is handed to the program as it is: nothing
    splits its items at blanks.

Why
    vLLM stops with "unrecognized arguments".

Example
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command:
          - --model=meta-llama/Llama-3.1-8B-Instruct
          - --max-model-len 8192

Fixed
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command:
          - --model=meta-llama/Llama-3.1-8B-Instruct
          - --max-model-len=8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule, remark_findings


def check(plan: Plan) -> Iterator[Finding]:
    """Items that hold two words."""
    return remark_findings(plan, RULE.name, "error", "Join option and value with =")


RULE = Rule("flag-and-value-in-one-item", __doc__ or "", check_plan=check)
