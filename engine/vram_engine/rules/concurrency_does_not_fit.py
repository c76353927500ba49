"""The requests to be served at once need more KV cache than there is.

What it checks
    Whether the stated concurrency, each request at max_model_len, fits the KV cache.

Why
    vLLM starts, but under that load requests wait in its queue or are preempted and computed again, which costs
    latency and throughput.

Example
    # vram: gpu=a100-sxm-80 gpus=2 concurrency=16
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 32768

Fixed
    # vram: gpu=a100-sxm-80 gpus=2 concurrency=16
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 32768
    tensor-parallel-size: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.feasibility import gib
from vram_engine.plan import Plan
from vram_engine.resolution import workload
from vram_engine.rules.base import Finding, Rule, Severity
from vram_engine.rules.memory import memory_finding, sized


def check(plan: Plan) -> Iterator[Finding]:
    """The workload needs more than is left."""
    found = sized(plan, "concurrency-does-not-fit")
    if found is None:
        return
    budget, feasibility = found
    requests = workload(plan.deployment).concurrency
    # The rule of thumb knows no queue: there, what does not fit does not run.
    severity: Severity = "error" if feasibility.verdict == "infeasible" else "warning"
    message = (
        f"{requests:,} requests of {budget.max_model_len:,} tokens need {gib(feasibility.required_bytes)} of KV cache "
        f"per GPU and {gib(budget.available.expected)} is left: "
        f"{feasibility.max_concurrency_at_context:,} fit at once, the others wait or are preempted"
    )
    yield memory_finding(plan, RULE.name, severity, message, "concurrency", "max-model-len", "model")


RULE = Rule("concurrency-does-not-fit", __doc__ or "", check_plan=check)
