"""Where the settings of a deployment are written in the file, as stretches of its text."""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.analysis import Analysis, first_key
from vram_engine.deployment import Setting
from vram_engine.plan import Plan
from vram_engine.syntax.route import entry_at
from vram_engine.text import Span


def written_settings(plan: Plan) -> Iterator[Setting]:
    """The settings in force that this file holds, its comments to us included."""
    for name in plan.deployment.settings:
        setting = plan.deployment.effective(name)
        if setting is not None and setting.origin in ("file", "directive"):
            yield setting


def value_span(analysis: Analysis, setting: Setting) -> Span | None:
    """The value of a setting without its quotes, or the word that stands for it; None where the file holds neither."""
    span = setting.span
    if setting.place is not None:
        entry = entry_at(analysis.tree.documents[setting.place.document].root, setting.place.route)
        span = entry.value.span if entry is not None else None
    if span is None or span.start == span.end:
        return None
    return _unquoted(analysis.tree.text, span)


def _unquoted(text: str, span: Span) -> Span:
    first, last = text[span.start], text[span.end - 1]
    if first in "\"'" and last == first and span.end - span.start > 1:
        return Span(span.start + 1, span.end - 1)
    return span


def whole_span(analysis: Analysis, setting: Setting) -> Span | None:
    """The key and the value of a setting together."""
    if setting.place is None:
        return setting.span
    entry = entry_at(analysis.tree.documents[setting.place.document].root, setting.place.route)
    if entry is None:
        return None
    return Span(entry.key.span.start, max(entry.key.span.end, entry.value.span.end))


def anchor_span(analysis: Analysis, plan: Plan) -> Span:
    """What speaks for the whole deployment: the name it has in the file, else its document's first key."""
    deployment = plan.deployment
    return deployment.anchor or analysis.span(first_key(analysis.tree, deployment.document))
