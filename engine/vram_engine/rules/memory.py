"""What the six memory rules share: one finding per deployment, its fixes and the keys that add up to the problem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vram_engine.estimate import Estimate
from vram_engine.feasibility import Condition, Feasibility, gib
from vram_engine.later import Later
from vram_engine.plan import Plan, place_of
from vram_engine.rules.base import Certainty, ChangeSettings, Finding, Fix, Related, Severity
from vram_engine.sizing.budget import Budget


def sized(plan: Plan, *conditions: Condition) -> tuple[Budget, Feasibility] | None:
    """The budget and verdict when the deployment's condition is one of these and the verdict can be trusted."""
    if plan.unmodelled or plan.refusals or plan.feasibility is None or not isinstance(plan.estimate, Estimate):
        return None
    if plan.feasibility.condition not in conditions:
        return None
    return plan.estimate.budget, plan.feasibility


def memory_finding(plan: Plan, rule: str, severity: Severity, message: str, *keys: str) -> Finding:
    """A finding about memory: at the first of ``keys`` that the file holds, at most a warning on assumed inputs."""
    assumed = plan.rests_on_assumptions
    where = plan.at(*keys)
    return Finding(
        rule=rule,
        severity="warning" if assumed and severity == "error" else severity,
        where=where,
        message="; ".join(filter(None, (message + (f" ({assumed})" if assumed else ""), plan.choices_words))),
        certainty=_certainty(plan, bool(assumed)),
        fixes=recommended_fixes(plan),
        related=tuple(related for related in _related(plan) if related.where != where),
    )


def recommended_fixes(plan: Plan) -> Sequence[Fix]:
    """One fix per recommendation, in their order, found when somebody wants one."""
    return Later(
        lambda: tuple(Fix(each.title, ChangeSettings(plan.index, each.settings)) for each in plan.recommendations)
    )


def _certainty(plan: Plan, assumed: bool) -> Certainty:
    if assumed:
        return "assumed"
    is_rough = isinstance(plan.estimate, Estimate) and plan.estimate.layout is None
    is_open = plan.feasibility is not None and plan.feasibility.condition == "high-oom-risk"
    return "likely" if is_rough or is_open else "certain"


def _related(plan: Plan) -> Iterator[Related]:
    """The settings of this file that make the sum what it is."""
    if not isinstance(plan.estimate, Estimate) or plan.feasibility is None:
        return
    budget, feasibility = plan.estimate.budget, plan.feasibility
    length, request = budget.max_model_len, gib(feasibility.one_request_bytes)
    said = {
        "model": f"weights: {gib(budget.weights.bytes)} per GPU",
        "gpu-memory-utilization": f"vLLM may use {gib(budget.requested_bytes)} of {gib(budget.memory_bytes)}",
        "max-model-len": f"one request of {length:,} tokens: {request} of KV cache",
        "concurrency": f"the workload: {gib(feasibility.required_bytes)} of KV cache",
    }
    for name, message in said.items():
        where = place_of(plan.deployment.effective(name))
        if where is not None:
            yield Related(where, message)


def spent(budget: Budget) -> str:
    """The terms before the KV cache in a line: ``weights 15.0 GiB + activations 1.2 GiB``."""
    return " + ".join(f"{term.name} {gib(term.bytes)}" for term in budget.terms)


def allowed(budget: Budget) -> str:
    """What vLLM may use, in words."""
    share = budget.requested_bytes / budget.memory_bytes
    return f"{gib(budget.requested_bytes)} ({share:.0%} of {gib(budget.memory_bytes)})"
