"""The models and files that a file names, as stretches of its text that could lead somewhere."""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.analysis import Analysis
from vram_engine.dialects.config_file import config_file
from vram_engine.lent import FileRef
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
    if span is None or analysis.tree.text[span.start : span.end] != plan.deployment.text("model"):
        return None
    return ModelLink(span, plan.ref, plan.model.source if isinstance(plan.model, FoundModel) else None)


@dataclass(frozen=True, slots=True)
class FileLink:
    """A file's name in the file, and what it stands for outside any container."""

    span: Span
    ref: FileRef


def file_links(analysis: Analysis) -> tuple[FileLink, ...]:
    """The configuration files of a file's deployments, each where it is written."""
    found: list[FileLink] = []
    for plan in analysis.plans:
        ref, setting = config_file(plan.deployment), plan.deployment.effective("config")
        span = value_span(analysis, setting) if setting is not None else None
        if ref is not None and span is not None:
            found.append(FileLink(span, ref))
    return tuple(dict.fromkeys(found))
