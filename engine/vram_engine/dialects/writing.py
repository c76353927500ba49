"""Settings written back: one text edit for each place, in the style of the file, or none where that is not certain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import assert_never

from vram_engine.deployment import (
    AppendSite,
    Deployment,
    FramedSite,
    GrowSite,
    JointSite,
    LineSite,
    MapSite,
    Scalar,
    Site,
    SwitchSite,
    TextSite,
)
from vram_engine.ranks import engines_here
from vram_engine.syntax.edits import TextEdit, quoted, set_value
from vram_engine.syntax.nodes import Tree
from vram_engine.text import Span

# What means the same to YAML in every style and to a shell without quotes.
_SAFE = re.compile(r"[A-Za-z0-9_./@%+,-]+", re.ASCII)


def with_gpus(deployment: Deployment, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """``values``, and more GPUs where the file counts fewer than they need: the two change together."""
    counted = deployment.effective("gpus")
    present = deployment.integer("gpus")
    if counted is None or counted.origin != "file" or present is None or "gpus" in values:
        return dict(values)
    if not {"tensor-parallel-size", "pipeline-parallel-size"} & set(values):
        return dict(values)
    world = _size(deployment, values, "tensor-parallel-size") * _size(deployment, values, "pipeline-parallel-size")
    world *= max(engines_here(deployment), 1)
    return {**values, "gpus": world} if world > present else dict(values)


def _size(deployment: Deployment, values: Mapping[str, Scalar], name: str) -> int:
    value = values.get(name)
    return value if isinstance(value, int) else deployment.integer(name) or 1


def settings_written(tree: Tree, deployment: Deployment, values: Mapping[str, Scalar]) -> tuple[TextEdit, ...] | None:
    """The edits that give settings other values; None when one of them cannot be written."""
    edits: list[TextEdit] = []
    for name, value in values.items():
        written = _setting_written(tree, deployment, name, value)
        if written is None:
            return None
        # A size and its GPUs may be one and the same number in the file.
        edits += (edit for edit in written if edit not in edits)
    return tuple(edits)


def _setting_written(tree: Tree, deployment: Deployment, name: str, value: Scalar) -> tuple[TextEdit, ...] | None:
    setting = deployment.effective(name)
    if setting is not None and setting.origin == "directive" and setting.span is not None:
        return (TextEdit(setting.span, f"{setting.spelling}={value}"),)
    if setting is not None and setting.origin not in ("file", "default"):
        return None
    try:
        site = deployment.sites[name]
    except KeyError:
        return None
    edits = tuple(_edits(tree, site, value)) if site is not None else (None,)
    found = tuple(edit for edit in edits if edit is not None)
    return found if len(found) == len(edits) else None


def _edits(tree: Tree, site: Site, value: Scalar) -> Iterator[TextEdit | None]:
    if isinstance(site, MapSite):
        yield _in_map(tree, site, value)
    elif isinstance(site, TextSite):
        yield _replaced(site, as_text(value))
    elif isinstance(site, SwitchSite):
        yield _switched(site, value)
    elif isinstance(site, AppendSite):
        yield _appended(site, value)
    elif isinstance(site, LineSite):
        yield TextEdit(Span(site.at, site.at), f"{site.lead}{site.key}: {quoted(as_text(value), '')}")
    elif isinstance(site, FramedSite):
        yield _framed(site, as_text(value))
    elif isinstance(site, JointSite):
        for each in site.sites:
            yield _grown(each, value) if isinstance(each, GrowSite) else _replaced(each, as_text(value))
    else:
        assert_never(site)


def as_text(value: Scalar) -> str:
    """A value as YAML and the command line write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _in_map(tree: Tree, site: MapSite, value: Scalar) -> TextEdit | None:
    text = as_text(value)
    return set_value(tree, site.document, site.route, site.spellings.get(text, text))


def _replaced(site: TextSite, text: str) -> TextEdit | None:
    if site.style != "part":
        return TextEdit(site.span, quoted(text, site.style))
    return TextEdit(site.span, text) if _SAFE.fullmatch(text) else None


def _framed(site: FramedSite, text: str) -> TextEdit | None:
    written = f"{site.before}{text}{site.after}"
    return TextEdit(Span(site.at, site.at), written) if _SAFE.fullmatch(text) else None


def _switched(site: SwitchSite, value: Scalar) -> TextEdit | None:
    if not isinstance(value, bool):
        return None
    return _replaced(site.text, f"--{site.flag}" if value else f"--no-{site.flag}")


def _appended(site: AppendSite, value: Scalar) -> TextEdit | None:
    if isinstance(value, bool):
        words = [f"--{site.flag}" if value else f"--no-{site.flag}"]
    elif site.glued:
        words = [f"--{site.flag}={as_text(value)}"]
    else:
        words = [f"--{site.flag}", as_text(value)]
    if site.in_list:
        styles = (site.flag_style, site.value_style)
        text = "".join(site.lead + _item(word, style) for word, style in zip(words, styles, strict=False))
        return TextEdit(Span(site.at, site.at), text)
    if not _SAFE.fullmatch(as_text(value)):
        return None
    return TextEdit(Span(site.at, site.at), site.lead + " ".join(words))


def _item(word: str, style: str) -> str:
    """A list item that YAML reads as text, whatever it looks like."""
    return word if style == "" and word.startswith("--") else quoted(word, style or '"')


def _grown(site: GrowSite, value: Scalar) -> TextEdit | None:
    if not isinstance(value, int) or value <= site.present:
        return None
    numbers = range(site.following, site.following + value - site.present)
    text = "".join(f"{site.lead}{site.style}{number}{site.style}" for number in numbers)
    return TextEdit(Span(site.at, site.at), text)
