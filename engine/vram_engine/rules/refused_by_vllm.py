"""vLLM refuses this combination before it looks at memory.

What it checks
    Combinations of model, data type, quantization and parallelism that vLLM's own code rejects, where no other rule
    speaks of them, and adapters of a larger rank than max-lora-rank, where their adapter_config.json is at hand.

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
from vram_engine.refusals import Refused
from vram_engine.rules.base import Certainty, ChangeSettings, Finding, Fix, Rule
from vram_engine.sizing.parallelism import Refusal


def check(plan: Plan) -> Iterator[Finding]:
    """An adapter is refused, or the sizing met a refusal that is not about splitting the model."""
    adapter = plan.refused("adapter")
    if adapter is not None:
        where = plan.at("lora-modules", "max-lora-rank", "enable-lora")
        yield Finding(RULE.name, "error", where, f"vLLM refuses: {adapter.message}", fixes=_larger_rank(plan, adapter))
    if isinstance(plan.estimate, Refusal) and plan.refused("division") is None:
        assumed = plan.rests_on_assumptions
        where = plan.at("quantization", "block-size", "kv-cache-dtype", "dtype", "model")
        message = f"vLLM refuses: {plan.estimate.message}" + (f" ({assumed})" if assumed else "")
        certainty: Certainty = "assumed" if assumed else "certain"
        yield Finding(RULE.name, "warning" if assumed else "error", where, message, certainty)


def _larger_rank(plan: Plan, refused: Refused) -> tuple[Fix, ...]:
    """The smallest rank that vLLM takes and that takes the adapters in."""
    if refused.needed is None:
        return ()
    change = ChangeSettings(plan.index, {"max-lora-rank": refused.needed})
    return (Fix(f"Set max-lora-rank to {refused.needed}", change),)


RULE = Rule("refused-by-vllm", __doc__ or "", check_plan=check)
