"""The verdict on one deployment in one line, and what the line would be with other settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vram_engine.deployment import Known, Scalar, Setting
from vram_engine.estimate import Estimate, estimate
from vram_engine.feasibility import Feasibility, judge
from vram_engine.hardware import Node
from vram_engine.model.reference import FoundModel
from vram_engine.modelled import unmodelled
from vram_engine.plan import Plan
from vram_engine.refusals import possible_refusals
from vram_engine.resolution import engine_args, node, workload
from vram_engine.view.summary import VERDICT_WORDS, missing, refused_words, required_bytes


def verdict_line(plan: Plan) -> str:
    """``fits  61.4 of 71.3 GiB  KV 214,112 tokens  6.5x``: memory per GPU, then what the KV cache holds."""
    refused = refused_words(plan)
    if refused:
        return f"refused by vLLM: {refused[0]}"
    if plan.verdict == "unknown" or not isinstance(plan.estimate, Estimate) or plan.feasibility is None:
        reasons = missing(plan)
        return f"no verdict: {reasons[0]}" if reasons else VERDICT_WORDS["unknown"]
    return "  ".join((VERDICT_WORDS[plan.verdict], *_figures(plan.estimate, plan.feasibility)))


def _figures(sized: Estimate, judged: Feasibility) -> tuple[str, ...]:
    budget = sized.budget
    memory = f"{required_bytes(budget, judged) / 2**30:.1f} of {budget.requested_bytes / 2**30:.1f} GiB"
    if judged.verdict == "infeasible" or not sized.demand.is_cached:
        return (memory,)
    tokens = int(judged.max_concurrency * budget.max_model_len)
    return (memory, f"KV {tokens:,} tokens", f"{judged.max_concurrency:.1f}x")


def with_values(plan: Plan, values: Mapping[str, Scalar]) -> Plan:
    """The plan with settings that win over all others, sized and judged again; it recommends nothing."""
    changes = [Setting(name, Known(value), "argument") for name, value in values.items()]
    deployment = plan.deployment.with_settings(changes)
    args, where = engine_args(deployment), node(deployment)
    spec = plan.model.spec if isinstance(plan.model, FoundModel) else None
    refused = possible_refusals(deployment, args, spec, where if isinstance(where, Node) else None)
    changed = replace(
        plan,
        deployment=deployment,
        args=args,
        node=where,
        unmodelled=unmodelled(deployment, spec),
        estimate=None,
        feasibility=None,
        recommendations=(),
        refusals=tuple(each for each in refused if not each.assumed),
        assumed_refusals=tuple(each for each in refused if each.assumed),
    )
    if spec is None or not isinstance(where, Node):
        return changed
    sized = estimate(deployment, spec, where)
    judged = None
    if isinstance(sized, Estimate):
        judged = judge(sized.budget, sized.demand, workload(deployment), sized.native_length)
    return replace(changed, estimate=sized, feasibility=judged)
