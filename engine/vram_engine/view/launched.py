"""Which deployment the arguments around a cursor belong to."""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.analysis import Analysis
from vram_engine.plan import Plan
from vram_engine.syntax.route import Route, route_at
from vram_engine.view.cursor import list_of
from vram_engine.view.written import written_settings


def launched_at(analysis: Analysis, number: int, near: tuple[int, ...]) -> Plan | None:
    """The deployment that has arguments in the list or command around one of these offsets of a document."""
    root = analysis.tree.documents[number].root
    for offset in near:
        home = list_of(route_at(root, offset))
        for plan in analysis.plans:
            if plan.deployment.document == number and home in _homes(analysis, plan):
                return plan
    return None


def _homes(analysis: Analysis, plan: Plan) -> Iterator[Route]:
    """The lists and commands that hold arguments of a deployment."""
    root = analysis.tree.documents[plan.deployment.document].root
    for setting in written_settings(plan):
        if setting.origin == "file" and setting.span is not None and setting.place is None:
            yield list_of(route_at(root, setting.span.start))
