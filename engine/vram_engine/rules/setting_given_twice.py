"""A setting is given twice with different values, and the first one has no effect.

What it checks
    Repeated options of one launch, and charts that write a setting both in a key of its own and among the extra
    arguments.

Why
    The last one counts, which is not always the one that was meant.

Example
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command:
          - --model=meta-llama/Llama-3.1-8B-Instruct
          - --max-model-len=16384
          - --max-num-seqs=64
          - --max-model-len=8192

Fixed
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command:
          - --model=meta-llama/Llama-3.1-8B-Instruct
          - --max-num-seqs=64
          - --max-model-len=8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule, remark_findings


def check(plan: Plan) -> Iterator[Finding]:
    """Settings that are overridden further on."""
    return remark_findings(plan, RULE.name, "warning", "Take out the one without effect")


RULE = Rule("setting-given-twice", __doc__ or "", check_plan=check)
