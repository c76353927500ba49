"""dstack: services and tasks whose commands start vLLM."""

from __future__ import annotations

import re

from vram_engine.deployment import Deployment, JointSite, Known, Setting, Unknown
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.chars import Chars
from vram_engine.dialects.container import Given, deployment, engine_of, image_at, scalar_chars, version_setting
from vram_engine.dialects.image import read_image
from vram_engine.dialects.scripts import installed_version, run_launches, variables_of
from vram_engine.dialects.surroundings import around_launch, placed
from vram_engine.dialects.trees import at, items, span_of, text_of
from vram_engine.dialects.words import text_site
from vram_engine.facts.gpus import find_gpu
from vram_engine.syntax.nodes import Document, Mapping, Node, Sequence, Tree, resolve

_TYPES = ("service", "task", "dev-environment")
# ``H100:80GB:8``: a card, its size and how many, the last two in either order and optional.
_GPU = re.compile(r"([A-Za-z][\w-]*(?::\d+GB)?)(?::(\d{1,3}))?", re.ASCII)


def _claims(tree: Tree, number: int) -> bool:
    return _suits(tree.documents[number]) and bool(_read(tree, number))


def _suits(document: Document) -> bool:
    kind, commands = text_of(at(document.root, "type")), resolve(at(document.root, "commands"))
    return kind in _TYPES and isinstance(commands, Sequence)


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    text, root = tree.text, tree.documents[number].root
    given = _gpus(text, at(root, "resources", "gpu"))
    variables = variables_of(text, at(root, "env"), "is given when the run is started")
    for setting in given.settings:
        if setting.name == "gpus" and setting.span is not None:
            chars = scalar_chars(text, at(root, "resources", "gpu"))
            if chars is not None:
                variables["DSTACK_GPUS_NUM"] = chars.slice(len(chars.text) - len(_number(chars.text)), len(chars.text))
    image = at(root, "image")
    version = version_setting(read_image(text_of(image)), span_of(image)) or installed_version(
        text, at(root, "commands")
    )
    given += Given(() if version is None else (version,))
    name = at(root, "name")
    called = text_of(name) or "service"
    return tuple(
        placed(
            deployment("dstack", called, number, span_of(name), engine_of(text, launch, None, version), given),
            around_launch(launch, image_at(image)),
        )
        for command in items(at(root, "commands"))
        for launch in run_launches(text, command, variables)
    )


def _number(text: str) -> str:
    match = _GPU.fullmatch(text.strip())
    return match[2] or "" if match is not None else ""


def _gpus(text: str, node: Node | None) -> Given:
    """``resources.gpu`` as a string or a map; a bare size names no card."""
    chars = scalar_chars(text, node)
    holder = resolve(node)
    if isinstance(holder, Mapping):
        named, counted = holder.get("name"), holder.get("count")
        settings = []
        names = [text_of(item) for item in items(named)] or [each.strip() for each in text_of(named).split(",")]
        if all(find_gpu(name) is not None for name in names):
            span = span_of(named) or (named.span if named is not None else None)
            settings.append(Setting("gpu", _one_of(names), "file", "gpu", span=span))
        if text_of(counted).isdigit() and 0 < int(text_of(counted)[:4]) < 1000:
            settings.append(Setting("gpus", Known(int(text_of(counted))), "file", "gpu", span=span_of(counted)))
        return Given(tuple(settings), {"gpus": None})
    if chars is not None and "," in chars.text:
        return _choices(chars)
    match = _GPU.fullmatch(chars.text.strip()) if chars is not None else None
    if chars is None or match is None or find_gpu(match[1].replace(":", " ")) is None:
        return Given()
    number = _number(chars.text)
    part = chars.slice(len(chars.text) - len(number), len(chars.text)) if number else chars
    site = text_site(part) if number else None
    gpu = Setting("gpu", Known(match[1].replace(":", " ")), "file", "gpu", span=chars.span)
    gpus = Setting("gpus", Known(int(number or 1)), "file", "gpu", span=part.span)
    return Given((gpu, gpus), {"gpus": None if site is None else JointSite((site,))})


def _one_of(names: list[str]) -> Known | Unknown:
    return Known(names[0]) if len(names) == 1 else Unknown(f"any of {', '.join(names)} may be used", tuple(names))


def _choices(chars: Chars) -> Given:
    """``A10G,A100:2``: any of several cards, with the number for all of them. A size would be for all, too."""
    *firsts, last = (part.strip() for part in chars.text.split(","))
    match = _GPU.fullmatch(last)
    names = [*firsts, match[1] if match is not None else last]
    if any(":" in name or find_gpu(name) is None for name in names):
        return Given()
    gpu = Setting("gpu", _one_of(names), "file", "gpu", span=chars.span)
    number = int(match[2] or 1) if match is not None else 1
    return Given((gpu, Setting("gpus", Known(number), "file", "gpu", span=chars.span)), {"gpus": None})


DSTACK = Dialect("dstack", _claims, _suits, _read)
