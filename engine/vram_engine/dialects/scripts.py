"""Launches in shell text that is the value of a key: a ``run:`` script, a list of commands, a start command."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vram_engine.deployment import Known, Setting
from vram_engine.dialects.chars import Chars, hole
from vram_engine.dialects.container import scalar_chars
from vram_engine.dialects.launch import Launch, launches, script_launches
from vram_engine.dialects.shell import split_words
from vram_engine.dialects.trees import items
from vram_engine.dialects.variables import Variables
from vram_engine.dialects.words import ScalarPart, Word
from vram_engine.facts.versions import parse_version
from vram_engine.syntax.nodes import Alias, Mapping, Node, Scalar, resolve

_INSTALLED = re.compile(r"\bvllm(?:\[[\w,-]*\])?\s*==\s*v?(\d+\.\d+\.\d+(?:\.?(?:post|rc)\d+)?)", re.ASCII)


def script_of_node(text: str, node: Node | None) -> Word | None:
    """A scalar as one script."""
    scalar = resolve(node)
    chars = scalar_chars(text, node)
    if chars is None or not isinstance(scalar, Scalar) or not chars.text:
        return None
    return Word(chars, scalar.span, ScalarPart(scalar, isinstance(node, Alias)))


def run_launches(text: str, node: Node | None, variables: Variables) -> Iterator[Launch]:
    """The launches in a script."""
    script = script_of_node(text, node)
    if script is not None:
        yield from script_launches(script, variables)


def command_launches(text: str, node: Node | None, variables: Variables) -> Iterator[Launch]:
    """The launches of a command line, which nothing runs in a shell."""
    script = script_of_node(text, node)
    if script is not None and isinstance(script.home, ScalarPart):
        yield from launches(split_words(script.chars, script.home), variables)


def variables_of(text: str, node: Node | None, reason: str) -> dict[str, Chars]:
    """Variables that a map, or a list of ``NAME=value``, defines; without a value they are set elsewhere."""
    found: dict[str, Chars] = {}
    holder = resolve(node)
    for key, entry in holder.pairs() if isinstance(holder, Mapping) else ():
        chars = scalar_chars(text, entry.value)
        scalar = resolve(entry.value)
        given = isinstance(scalar, Scalar) and scalar.value is not None
        found[key] = chars if chars is not None and given else hole(entry.key.span, f"{key} {reason}")
    for item in items(node):
        chars = scalar_chars(text, item)
        if chars is None:
            continue
        name, sign, _ = chars.text.partition("=")
        found[name] = chars.slice(len(name) + 1, len(chars.text)) if sign else hole(item.span, f"{name} {reason}")
    return found


def installed_version(text: str, *nodes: Node | None) -> Setting | None:
    """The release that a script installs with ``pip install vllm==...``."""
    for node in nodes:
        for scalar in (resolve(node), *items(node)):
            match = _INSTALLED.search(scalar.text) if isinstance(scalar, Scalar) else None
            version = parse_version(match[1]) if match is not None else None
            chars = scalar_chars(text, scalar)
            if match is not None and version is not None and chars is not None:
                span = chars.slice(match.start(1), match.end(1)).span
                return Setting("vllm-version", Known(str(version)), "file", "pip", span=span)
    return None
