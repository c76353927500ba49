"""From a budget and a workload to a verdict: the table of the public interface, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vram_engine.sizing.budget import GIB, MIB, Budget, Term
from vram_engine.sizing.demand import KvDemand

Verdict = Literal["fits", "at-risk", "infeasible", "unknown"]
Risk = Literal["low", "medium", "high"]
FailureKind = Literal[
    "weights-exceed-memory", "no-kv-cache-memory", "max-model-len-too-large", "free-memory-below-target", "refused"
]
Condition = Literal[
    "free-memory-below-target",
    "out-of-memory",
    "max-model-len-does-not-fit",
    "high-oom-risk",
    "concurrency-does-not-fit",
    "tight-memory-policy",
    "tight-memory",
]

COMFORT = 2 * GIB
# A CUDA context takes this much of any GPU, and usually two or three times as much: it is never free.
SMALLEST_CONTEXT = 160 * MIB
_FITTING: tuple[Condition | None, ...] = (None, "tight-memory")


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked of the deployment. ``headroom_bytes`` is the policy's, None where nobody set one."""

    concurrency: int = 1
    headroom_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why vLLM will not start, near to its own words."""

    kind: FailureKind
    message: str


@dataclass(frozen=True, slots=True)
class Feasibility:
    """The verdict and every number it rests on; bytes per GPU, of the fullest rank."""

    verdict: Verdict
    condition: Condition | None
    oom_risk: Risk
    required_bytes: int
    one_request_bytes: int
    headroom_bytes: int
    max_concurrency: float
    max_model_len_that_fits: int
    max_concurrency_at_context: int
    max_context_at_concurrency: int
    failure: Failure | None = None
    deciding_term: Term | None = None


def judge(budget: Budget, demand: KvDemand, workload: Workload, native_length: int) -> Feasibility:
    """The verdict on ``budget`` under ``workload``; ``native_length`` bounds the answers about length."""
    length = budget.max_model_len
    available = budget.available.expected
    required = demand.required(workload.concurrency, length)
    left = available - required
    condition = condition_of(budget, demand, workload)
    cap = max(native_length, length)
    one_request = demand.one_request(length)
    fits_at_most = demand.max_length(available, 1, cap)
    at_once = workload.concurrency
    return Feasibility(
        verdict=_verdict(budget, condition, left),
        condition=condition,
        oom_risk=risk(left),
        required_bytes=required,
        one_request_bytes=one_request,
        headroom_bytes=left,
        max_concurrency=demand.max_concurrency(available, length),
        max_model_len_that_fits=fits_at_most,
        max_concurrency_at_context=max(available, 0) // max(demand.required(1, length), 1) if demand.is_cached else 0,
        max_context_at_concurrency=fits_at_most if at_once == 1 else demand.max_length(available, at_once, cap),
        failure=_failure(condition, budget, one_request, fits_at_most),
        deciding_term=_deciding_term(budget) if condition == "high-oom-risk" else None,
    )


def risk(headroom: int) -> Risk:
    """The published bands: low from 2 GiB, medium from 0, high below."""
    if headroom >= COMFORT:
        return "low"
    return "medium" if headroom >= 0 else "high"


def headroom(budget: Budget, demand: KvDemand, workload: Workload) -> int:
    """Bytes left per GPU once the workload has its KV cache; negative when it needs more than there is."""
    return budget.available.expected - demand.required(workload.concurrency, budget.max_model_len)


def fits(budget: Budget, demand: KvDemand, workload: Workload) -> bool:
    """Whether the verdict is "fits": ``judge`` without the numbers around it."""
    return condition_of(budget, demand, workload) in _FITTING


def condition_of(budget: Budget, demand: KvDemand, workload: Workload) -> Condition | None:
    """The first row of the table that applies."""
    length, available = budget.max_model_len, budget.available
    if _starts_short_of_memory(budget):
        return "free-memory-below-target"
    if budget.kv_is_fixed and _least(budget) > budget.memory_bytes:
        return "out-of-memory"
    if demand.is_cached and available.high <= 0:
        return "out-of-memory"
    if not demand.fits(available.high, length):
        return "max-model-len-does-not-fit"
    if (demand.is_cached and available.low <= 0) or not demand.fits(available.low, length):
        return "high-oom-risk"
    left = headroom(budget, demand, workload)
    if left < 0:
        return "concurrency-does-not-fit"
    if workload.headroom_bytes is not None and left < workload.headroom_bytes:
        return "tight-memory-policy"
    return "tight-memory" if left < COMFORT else None


def _starts_short_of_memory(budget: Budget) -> bool:
    """Whether less is free than vLLM asks for, by what is told or because the process itself takes what is left."""
    if budget.free_bytes is not None:
        return budget.free_bytes < budget.requested_bytes
    return budget.slack_bytes is not None and budget.slack_bytes < SMALLEST_CONTEXT


def _least(budget: Budget) -> int:
    """The least the device must hold when the KV cache is asked for in bytes."""
    return sum(term.low for term in budget.terms) + budget.available.expected


def _verdict(budget: Budget, condition: Condition | None, headroom: int) -> Verdict:
    if condition in ("free-memory-below-target", "out-of-memory", "max-model-len-does-not-fit"):
        return "infeasible"
    # The rule of thumb has no interval and no queue: what does not fit there does not fit.
    if budget.estimator == "closed_form" and headroom < 0:
        return "infeasible"
    return "fits" if condition in _FITTING else "at-risk"


def _failure(condition: Condition | None, budget: Budget, one_request: int, fits_at_most: int) -> Failure | None:
    requested = gib(budget.requested_bytes)
    if condition == "free-memory-below-target":
        if budget.free_bytes is None:
            message = (
                f"vLLM asks for {requested} of {gib(budget.memory_bytes)}, and its own CUDA context takes some first"
            )
        else:
            message = f"{gib(budget.free_bytes)} is free at start-up and vLLM asks for {requested}"
        return Failure("free-memory-below-target", message)
    if condition == "concurrency-does-not-fit" and budget.estimator == "closed_form":
        return Failure("no-kv-cache-memory", "the workload needs more KV cache than is left")
    if condition == "out-of-memory":
        if budget.weights.bytes > budget.requested_bytes:
            weights, requested = gib(budget.weights.bytes), gib(budget.requested_bytes)
            return Failure("weights-exceed-memory", f"the weights take {weights} of the {requested} vLLM may use")
        return Failure("no-kv-cache-memory", "No available memory for the cache blocks")
    if condition == "max-model-len-does-not-fit":
        needed, available = gib(one_request), gib(max(budget.available.expected, 0))
        return Failure(
            "max-model-len-too-large",
            f"one request of {budget.max_model_len:,} tokens needs {needed} of KV cache and {available} is available; "
            f"the longest max_model_len that fits is about {fits_at_most:,}",
        )
    return None


def _deciding_term(budget: Budget) -> Term:
    """The term whose uncertainty is widest: what to measure to know."""
    return max(budget.terms, key=lambda term: term.high - term.low)


def gib(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / GIB:.2f} GiB"
