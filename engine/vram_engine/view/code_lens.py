"""The code lenses: the verdict over each deployment."""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.analysis import Analysis
from vram_engine.text import Span
from vram_engine.view.verdict_line import verdict_line
from vram_engine.view.written import anchor_span


@dataclass(frozen=True, slots=True)
class Lens:
    """A line of words over a stretch of the text."""

    span: Span
    title: str


def code_lenses(analysis: Analysis) -> tuple[Lens, ...]:
    """One for each deployment, in the order of the file."""
    return tuple(Lens(anchor_span(analysis, plan), verdict_line(plan)) for plan in analysis.plans)
