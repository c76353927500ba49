"""One request of the longest length takes more KV cache than there is.

What it checks
    Whether the KV cache holds one request of max_model_len tokens, even if every modelled amount turns out as small
    as it can. Where nothing sets max_model_len, vLLM takes the model's own length.

Why
    vLLM refuses to start: "To serve at least one request with the model's max seq len ...". It says so only after
    loading the weights.

Example
    # vram: gpu=l4 gpus=2
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 65536

Fixed
    # vram: gpu=l4 gpus=2
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 65536
    tensor-parallel-size: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.feasibility import gib
from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.memory import memory_finding, sized


def check(plan: Plan) -> Iterator[Finding]:
    """One request does not fit."""
    found = sized(plan, "max-model-len-does-not-fit")
    if found is None:
        return
    budget, feasibility = found
    needed, available = gib(feasibility.one_request_bytes), gib(max(budget.available.expected, 0))
    message = (
        f"vLLM will not start: one request of {budget.max_model_len:,} tokens needs {needed} of KV cache per GPU and "
        f"{available} is left; about {feasibility.max_model_len_that_fits:,} tokens would fit"
    )
    yield memory_finding(plan, RULE.name, "error", message, "max-model-len", "model")


RULE = Rule("max-model-len-does-not-fit", __doc__ or "", check_plan=check)
