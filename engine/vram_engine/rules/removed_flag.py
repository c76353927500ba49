"""An option is used that the pinned release of vLLM no longer has.

What it checks
    Options against the release that the tag of vLLM's own image names. Where nothing pins the release, nothing is
    said: it may be an old one.

Why
    vLLM stops with "unrecognized arguments".

Example
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command: --model meta-llama/Llama-3.1-8B-Instruct --swap-space 8 --max-model-len 8192

Fixed
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command: --model meta-llama/Llama-3.1-8B-Instruct --max-model-len 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule, remark_findings


def check(plan: Plan) -> Iterator[Finding]:
    """Options that are gone."""
    return remark_findings(plan, RULE.name, "error", "Take it out")


RULE = Rule("removed-flag", __doc__ or "", check_plan=check)
