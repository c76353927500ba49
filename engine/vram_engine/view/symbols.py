"""The outline of a file: its deployments, and in each the settings in force that the file holds."""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.analysis import Analysis
from vram_engine.deployment import Known, Setting
from vram_engine.dialects.writing import as_text
from vram_engine.plan import Plan
from vram_engine.text import Span
from vram_engine.view.verdict_line import verdict_line
from vram_engine.view.written import anchor_span, whole_span, written_settings


@dataclass(frozen=True, slots=True)
class Symbol:
    """One line of the outline. ``span`` covers it and its children, ``selection`` is what to jump to."""

    name: str
    detail: str
    span: Span
    selection: Span
    children: tuple[Symbol, ...] = ()


def symbols(analysis: Analysis) -> tuple[Symbol, ...]:
    """One for each deployment, in the order of the file."""
    return tuple(_deployment(analysis, plan) for plan in analysis.plans)


def _deployment(analysis: Analysis, plan: Plan) -> Symbol:
    anchor = anchor_span(analysis, plan)
    written = ((setting, whole_span(analysis, setting)) for setting in written_settings(plan))
    found = tuple(_setting(setting, span) for setting, span in written if span is not None)
    children = tuple(sorted(found, key=lambda child: child.span))
    spans = (anchor, *(child.span for child in children))
    whole = Span(min(span.start for span in spans), max(span.end for span in spans))
    return Symbol(plan.deployment.name or plan.deployment.dialect, verdict_line(plan), whole, anchor, children)


def _setting(setting: Setting, span: Span) -> Symbol:
    value = setting.value
    return Symbol(setting.name, as_text(value.value) if isinstance(value, Known) else value.reason, span, span)
