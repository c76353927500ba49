"""What an earlier sizing of the same deployment still says: most keys that are typed change no setting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeAlias

from vram_engine.deployment import Deployment, Known, Setting, Unknown
from vram_engine.model.reference import FoundModel
from vram_engine.plan import Plan

_Said: TypeAlias = tuple[str, "type[Known | Unknown]", object, type, str]


def resumed(plan: Plan, before: Iterable[Plan]) -> Plan | None:
    """``plan``, not sized yet, with the sizing of an earlier one that differs in no value; None where none is like it.

    Places are the new plan's own. A value of another type is another value: ``1`` is not ``true``.
    """
    said = _said(plan.deployment)
    for old in before:
        if old.estimate is not None and _is_like(plan, old) and _said(old.deployment) == said:
            return replace(
                plan, estimate=old.estimate, feasibility=old.feasibility, recommendations=old.recommendations
            )
    return None


def _is_like(plan: Plan, old: Plan) -> bool:
    return (
        isinstance(plan.model, FoundModel)
        and isinstance(old.model, FoundModel)
        and plan.model.spec is old.model.spec
        and plan.node == old.node
        and plan.args == old.args
        and plan.deployment.dialect == old.deployment.dialect
        and plan.deployment.measured == old.deployment.measured
        and bool(plan.unmodelled) == bool(old.unmodelled)
        and plan.refusals == old.refusals
        and _beside(plan.deployment) == _beside(old.deployment)
    )


def _beside(deployment: Deployment) -> list[tuple[str, float | None, bool]]:
    """What each engine on the same GPU holds of it."""
    return [(peer.name, peer.utilization, peer.may_sleep) for peer in deployment.peers]


def _said(deployment: Deployment) -> tuple[_Said, ...]:
    """Every occurrence of every setting without its place."""
    return tuple(_of(setting) for each in deployment.settings.values() for setting in each)


def _of(setting: Setting) -> _Said:
    value = setting.value
    content: object = value.value if isinstance(value, Known) else value.reason
    return setting.name, type(value), content, type(content), setting.origin
