"""The hover: a deployment's verdict and memory as Markdown, shown on its settings, its name, or its first key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vram_engine.analysis import Analysis, first_key
from vram_engine.deployment import Setting
from vram_engine.facts.flags import Flag, flag, resolve_flag
from vram_engine.feasibility import gib
from vram_engine.hardware import Gpu
from vram_engine.plan import Plan
from vram_engine.resolution import NoGpu
from vram_engine.syntax.route import Place, entry_at, span_of
from vram_engine.text import Span
from vram_engine.view.bar import bar
from vram_engine.view.completion_docs import key_documentation
from vram_engine.view.cursor import AtOption, cursor_at
from vram_engine.view.enough import enough_words
from vram_engine.view.fits_on import fits_on
from vram_engine.view.launched import launched_at
from vram_engine.view.summary import (
    Row,
    headline,
    is_sized,
    kv_words,
    missing,
    notes,
    refused_words,
    rows,
    version_words,
)

_MOST_GPUS = 8
_REST_OF_NAME = re.compile(r"[\w-]*")


@dataclass(frozen=True, slots=True)
class Hover:
    """Markdown for a stretch of the text."""

    span: Span
    markdown: str


def hover(analysis: Analysis, offset: int) -> Hover | None:
    """What to show at ``offset``; None where there is nothing of ours."""
    for plan in analysis.plans:
        for span, about in _places(analysis, plan):
            if span.touches(offset):
                return Hover(span, _markdown(plan, about))
    return _on_option(analysis, offset)


def _on_option(analysis: Analysis, offset: int) -> Hover | None:
    """On the name of an option in a command or a list of arguments."""
    rest = _REST_OF_NAME.match(analysis.tree.text, offset)
    cursor = cursor_at(analysis, offset if rest is None else rest.end())
    if not isinstance(cursor, AtOption) or not cursor.word.start <= offset < cursor.word.end:
        return None
    plan = launched_at(analysis, cursor.document, cursor.near)
    name = analysis.tree.text[cursor.word.start : cursor.word.end].removeprefix("--").replace("_", "-")
    known = resolve_flag(name) or resolve_flag(name.removeprefix("no-"))
    if plan is None or not isinstance(known, Flag):
        return None
    setting = plan.deployment.effective(known.name)
    if setting is None:
        return Hover(cursor.word, key_documentation(known.name))
    return Hover(cursor.word, _markdown(plan, _about(setting)))


def _places(analysis: Analysis, plan: Plan) -> Iterator[tuple[Span, str]]:
    """Where this plan's hover appears, and what it says of the place: image, settings in force, name, first key."""
    image = plan.deployment.image
    if image is not None and image.span is not None:
        yield image.span, _about_image(plan)
    for name in plan.deployment.settings:
        setting = plan.deployment.effective(name)
        if setting is not None and setting.place is not None:
            span = _entry_span(analysis, setting.place)
            if span is not None:
                yield span, _about(setting)
        elif setting is not None and setting.origin in ("directive", "file") and setting.span is not None:
            yield setting.span, _about(setting)
    if plan.deployment.anchor is not None:
        yield plan.deployment.anchor, ""
    where = first_key(analysis.tree, plan.deployment.document)
    if isinstance(where, Place):
        span = span_of(analysis.tree, where)
        if span is not None:
            yield span, ""


def _entry_span(analysis: Analysis, place: Place) -> Span | None:
    """The key and the value together."""
    entry = entry_at(analysis.tree.documents[place.document].root, place.route)
    if entry is None:
        return None
    return Span(entry.key.span.start, max(entry.key.span.end, entry.value.span.end))


def _markdown(plan: Plan, about: str) -> str:
    return "\n\n".join(part for part in (*_parts(plan), about) if part)


def _parts(plan: Plan) -> Iterator[str]:
    yield f"**{headline(plan)}**"
    yield _table(rows(plan))
    yield kv_words(plan)
    yield enough_words(plan)
    if plan.feasibility is not None and plan.feasibility.failure is not None:
        yield plan.feasibility.failure.message
    yield "\n".join(f"- {reason}" for reason in refused_words(plan))
    yield "\n".join(f"- no verdict: {reason}" for reason in missing(plan))
    if isinstance(plan.node, NoGpu) and is_sized(plan):
        yield _gpus_that_fit(fits_on(plan))
    if plan.recommendations:
        yield "What would fit:\n" + "\n".join(f"- {each.title}" for each in plan.recommendations)
    yield "\n".join(f"- {note}" for note in notes(plan))


_HEADER = ("per GPU", "GiB", "", "why")


def _table(lines: tuple[Row, ...]) -> str:
    """A Markdown table whose cells are padded, because a terminal shows it as it is."""
    if not lines:
        return ""
    whole = max(max(row.bytes for row in lines), 1)
    cells = [(row.name, f"{row.bytes / 2**30:.2f}", bar(row.bytes, whole), _cell(row.because)) for row in lines]
    # The last column is left ragged: padding it would make every line as long as the longest reason.
    widths = [max(len(each[column]) for each in (_HEADER, *cells)) for column in range(3)]
    rule = f"|:{'-' * widths[0]}-|-{'-' * widths[1]}:|:{'-' * widths[2]}-|:---|"
    drawn = (_line(each, widths, "**" if row.strong else "") for row, each in zip(lines, cells, strict=True))
    return "\n".join((_line(_HEADER, widths, ""), rule, *drawn))


def _line(cells: tuple[str, str, str, str], widths: list[int], mark: str) -> str:
    """One row; ``mark`` makes its name and amount bold and takes no room on the screen."""
    name, amount, drawn, because = cells
    padded = (
        f"{mark}{name}{mark}".ljust(widths[0] + 2 * len(mark)),
        f"{mark}{amount}{mark}".rjust(widths[1] + 2 * len(mark)),
        drawn.ljust(widths[2]),
        because,
    )
    return f"| {' | '.join(padded)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _gpus_that_fit(gpus: tuple[Gpu, ...]) -> str:
    if not gpus:
        return "It fits no single GPU of the catalogue as it is written."
    named = ", ".join(f"{gpu.id} ({gib(gpu.memory_bytes)})" for gpu in gpus[:_MOST_GPUS])
    more = f" and {len(gpus) - _MOST_GPUS} more" if len(gpus) > _MOST_GPUS else ""
    return f"Fits, smallest first: {named}{more}"


def _about_image(plan: Plan) -> str:
    """What the image says about the release."""
    said, release = plan.deployment.effective("vllm-version"), plan.args.vllm_version
    if said is None:
        return f"`image`: it names no release of vLLM, and {release} is assumed"
    if said.spelling == "image":
        return f"`image`: its tag names vLLM {version_words(plan.deployment, plan)}"
    return f"`image`: sized for vLLM {version_words(plan.deployment, plan)}, which is said elsewhere"


def _about(setting: Setting) -> str:
    row = flag(setting.name)
    return f"`{setting.name}`: {row.description}" if row is not None and row.description else ""
