"""The command starts vLLM although the image's entrypoint does so already.

What it checks
    Containers of vLLM's own image whose entrypoint is left as it is: their command is a list of arguments, and
    ``vllm serve`` in it becomes two of them.

Why
    vLLM takes ``vllm`` for the model and stops at the rest with "unrecognized arguments".

Example
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command: vllm serve meta-llama/Llama-3.1-8B-Instruct --max-model-len 8192

Fixed
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command: meta-llama/Llama-3.1-8B-Instruct --max-model-len 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule, remark_findings


def check(plan: Plan) -> Iterator[Finding]:
    """Commands that repeat the entrypoint."""
    return remark_findings(plan, RULE.name, "error", "Leave out what the entrypoint says")


RULE = Rule("vllm-serve-repeated", __doc__ or "", check_plan=check)
