"""Whether vLLM starts depends on an amount that can only be modelled.

What it checks
    Whether the deployment still starts if every modelled amount (activations, CUDA graphs, memory outside PyTorch)
    turns out as large as it can. The message names the one that decides.

Why
    Such a deployment may start today and fail after an update of the driver or of vLLM.

Example
    # vram: gpu=l4 gpus=2
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 32768

Fixed
    # vram: gpu=l4 gpus=2
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 32768
    tensor-parallel-size: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.feasibility import gib
from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.memory import memory_finding, sized


def check(plan: Plan) -> Iterator[Finding]:
    """It starts only if the modelled terms are kind."""
    found = sized(plan, "high-oom-risk")
    if found is None:
        return
    budget, feasibility = found
    term = feasibility.deciding_term or budget.weights
    low, high = gib(max(budget.available.low, 0)), gib(budget.available.high)
    needed = gib(feasibility.one_request_bytes)
    message = (
        f"vLLM may not start: one request of {budget.max_model_len:,} tokens needs {needed} of KV cache per GPU and "
        f"between {low} and {high} is left; {term.name} decides ({gib(term.low)} to {gib(term.high)})"
    )
    yield memory_finding(plan, RULE.name, "warning", message, "max-model-len", "model")


RULE = Rule("high-oom-risk", __doc__ or "", check_plan=check)
