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
from vram_engine.rules.base import Certainty, Finding, Rule
from vram_engine.sizing.parallelism import Refusal


def check(plan: Plan) -> Iterator[Finding]:
    """The sizing met a refusal that is not about splitting the model."""
    if isinstance(plan.estimate, Refusal) and plan.refused("division") is None:
        assumed = plan.rests_on_assumptions
        where = plan.at("quantization", "block-size", "kv-cache-dtype", "dtype", "model")
        message = f"vLLM refuses: {plan.estimate.message}" + (f" ({assumed})" if assumed else "")
        certainty: Certainty = "assumed" if assumed else "certain"
        yield Finding(RULE.name, "warning" if assumed else "error", where, message, certainty)


RULE = Rule("refused-by-vllm", __doc__ or "", check_plan=check)
