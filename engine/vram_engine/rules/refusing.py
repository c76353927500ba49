"""What the rules about vLLM's refusals and silent changes share: the case they look at, a finding, and its fixes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from vram_engine.deployment import Scalar
from vram_engine.hardware import Node
from vram_engine.model.reference import FoundModel
from vram_engine.plan import Plan, Where
from vram_engine.refusals import case
from vram_engine.refusals.case import Case, Refused
from vram_engine.rules.base import ChangeSettings, Finding, Fix, Severity

Fixes = Callable[[Plan, Case], Iterator[Fix]]


def case_of(plan: Plan) -> Case:
    """The deployment as checks see it."""
    spec = plan.model.spec if isinstance(plan.model, FoundModel) else None
    return case.case_of(plan.deployment, plan.args, spec, plan.node if isinstance(plan.node, Node) else None)


def is_remarked(plan: Plan, where: Where) -> bool:
    """Whether something is wrong with how the value there is written, so that nobody can say what it asks for."""
    return any(remark.place == where for remark in plan.deployment.remarks)


def no_fixes(_: Plan, __: Case) -> Iterator[Fix]:
    """What has no way out that is certain."""
    yield from ()


def refusal(plan: Plan, rule: str, keys: tuple[str, ...], fixes: Fixes = no_fixes) -> Iterator[Finding]:
    """The finding for a refusal; no more than information where only the newest release is known to refuse."""
    for refused in (*plan.refusals, *plan.assumed_refusals):
        if refused.topic == rule:
            yield _finding(plan, refused, keys, fixes)


def _finding(plan: Plan, refused: Refused, keys: tuple[str, ...], fixes: Fixes) -> Finding:
    severity: Severity = "information" if refused.assumed else "error"
    assumed = f" (vLLM {plan.args.vllm_version} is assumed)" if refused.assumed else ""
    return Finding(
        refused.topic,
        severity,
        plan.at(*keys),
        refused.message + assumed,
        "assumed" if refused.assumed else "certain",
        tuple(fixes(plan, case_of(plan))),
    )


def set_to(plan: Plan, values: Mapping[str, Scalar]) -> Fix:
    """The fix that gives settings these values."""
    words = [f"{name} to {str(value).lower() if isinstance(value, bool) else value}" for name, value in values.items()]
    return Fix(f"Set {' and '.join(words)}", ChangeSettings(plan.index, values))


def written_as(plan: Plan, title: str, name: str, value: Mapping[str, object]) -> Fix:
    """The fix that writes another JSON object as the value of a setting."""
    return Fix(title, ChangeSettings(plan.index, {name: json.dumps(value)}))
