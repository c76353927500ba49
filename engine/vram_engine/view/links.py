"""The models a file names, as stretches of its text that could lead somewhere."""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.analysis import Analysis
from vram_engine.model.reference import FoundModel, ModelRef, SourceName
from vram_engine.plan import Plan
from vram_engine.text import Span
from vram_engine.view.written import value_span


@dataclass(frozen=True, slots=True)
class ModelLink:
    """A model's name in the file; ``source`` is who knows it, None where nobody does or the answer is not there yet."""

    span: Span
    ref: ModelRef
    source: SourceName | None


def model_links(analysis: Analysis) -> tuple[ModelLink, ...]:
    """The models that the deployments of a file serve, each where it is written."""
    found = (_link(analysis, plan) for plan in analysis.plans)
    return tuple(dict.fromkeys(link for link in found if link is not None))


def _link(analysis: Analysis, plan: Plan) -> ModelLink | None:
    setting = plan.deployment.effective("model")
    if plan.ref is None or setting is None or setting.origin != "file":
        return None
    span = value_span(analysis, setting)
    # What stands there may be a part of the name, or a variable that brings it from elsewhere.
    if span is None or analysis.tree.text[span.start : span.end] != plan.ref.name:
        return None
    return ModelLink(span, plan.ref, plan.model.source if isinstance(plan.model, FoundModel) else None)
