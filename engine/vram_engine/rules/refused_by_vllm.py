"""vLLM refuses this combination before it looks at memory.

What it checks
    Combinations of model, data type, quantization and parallelism that vLLM's own code rejects, where no other rule
    speaks of them.

Why
    It stops with an error before anything is loaded.

Example
    # vram: gpu=h100-sxm-80 gpus=16
    model: Qwen/Qwen3-30B-A3B-FP8
    max-model-len: 8192
    data-parallel-size: 16

Fixed
    # vram: gpu=h100-sxm-80 gpus=16
    model: Qwen/Qwen3-30B-A3B-FP8
    max-model-len: 8192
    data-parallel-size: 16
    enable-expert-parallel: true
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Certainty, Finding, Rule
from vram_engine.rules.refusing import is_remarked
from vram_engine.sizing.parallelism import Refusal


def check(plan: Plan) -> Iterator[Finding]:
    """The sizing met a refusal that no other rule speaks of, a value that cannot be one included."""
    if isinstance(plan.estimate, Refusal) and not plan.refusals:
        assumed = plan.rests_on_assumptions
        where = plan.at("quantization", "block-size", "kv-cache-dtype", "dtype", "model")
        if is_remarked(plan, where):
            return
        message = f"vLLM refuses: {plan.estimate.message}" + (f" ({assumed})" if assumed else "")
        certainty: Certainty = "assumed" if assumed else "certain"
        yield Finding(RULE.name, "warning" if assumed else "error", where, message, certainty)


RULE = Rule("refused-by-vllm", __doc__ or "", check_plan=check)
