"""vLLM refuses this combination before it looks at memory.

What it checks
    Combinations of model, data type, quantization and parallelism that vLLM's own code rejects, where no other rule
    speaks of them.

Why
    It stops with an error before anything is loaded.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    quantization: awq

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.sizing.parallelism import Refusal


def check(plan: Plan) -> Iterator[Finding]:
    """The sizing met a refusal that is not about splitting the model."""
    if isinstance(plan.estimate, Refusal) and plan.refused("division") is None:
        where = plan.at("quantization", "dtype", "model")
        yield Finding(RULE.name, "error", where, f"vLLM refuses: {plan.estimate.message}")


RULE = Rule("refused-by-vllm", __doc__ or "", check_plan=check)
