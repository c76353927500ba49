"""Variables of compose files and Kubernetes containers, replaced by what they stand for; the unknown becomes a hole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from vram_engine.dialects.chars import NOTHING, Chars, hole, joined
from vram_engine.text import Span

# What is known of an environment: a name's value, with the places it is written at. A hole where it cannot be told.
Variables: TypeAlias = Mapping[str, Chars]

_DEEPEST = 8

_COMPOSE = re.compile(r"\$(?:(?P<escaped>\$)|(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*))", re.ASCII)
_KUBELET = re.compile(r"\$(?P<escape>\$)?\((?P<name>[^()\s]+)\)")
_TEMPLATE = re.compile(r"\{\{.*?\}\}")
_TEMPLATE_OR_VARIABLE = re.compile(r"\{\{.*?\}\}|\$\{[^}\s]*\}|\$[A-Za-z_]\w*", re.ASCII)


def use_of(chars: Chars, start: int, end: int) -> Span:
    """Where the characters ``[start, end)`` of ``chars`` are written."""
    return chars.slice(start, end).outer_span


def interpolated(chars: Chars, depth: int = 0) -> Chars:
    """A value of a compose file with ``$NAME`` and ``${NAME:-default}`` read as Docker Compose reads them.

    A default counts as the value: it is what the file says. ``$$`` is a dollar sign.
    """
    if "$" not in chars.text or depth > _DEEPEST:
        return chars
    parts: list[Chars] = []
    at = 0
    for match in _COMPOSE.finditer(chars.text):
        if match.start() < at:
            continue
        parts.append(chars.slice(at, match.start()))
        part, at = _compose_part(chars, match, depth)
        parts.append(part)
    return joined([*parts, chars.slice(at, len(chars.text))])


def _compose_part(chars: Chars, match: re.Match[str], depth: int) -> tuple[Chars, int]:
    """What one reference stands for, and where the text goes on behind it."""
    if match["escaped"]:
        return chars.slice(match.start(), match.start() + 1), match.end()
    name = match["name"]
    if name:
        use = use_of(chars, match.start(), match.end())
        return hole(use, f"${name} is set outside this file"), match.end()
    end = closing_brace(chars.text, match.end())
    use = use_of(chars, match.start(), end + 1)
    default = re.match(r":?-", chars.text[match.end() : end])
    if default is None:
        return hole(use, f"${match['braced']} is set outside this file"), end + 1
    value = interpolated(chars.slice(match.end() + default.end(), end), depth + 1)
    return value.used_at(use, shared=False) if value.hole is None else hole(use, value.hole), end + 1


def closing_brace(text: str, at: int) -> int:
    """The brace that closes a ``${`` whose name ends at ``at``; the end of the text when none does."""
    depth = 1
    for position in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position
    return len(text)


def kubelet(chars: Chars, variables: Variables) -> Chars:
    """A container's argument with ``$(NAME)`` replaced by its environment, as the kubelet does.

    Templates and shell variables, which the kubelet would pass on as they stand, are filled in by other tools: holes.
    """
    parts = list(_kubelet_parts(chars, variables))
    return joined(parts) if parts else NOTHING


def _kubelet_parts(chars: Chars, variables: Variables) -> Iterator[Chars]:
    at = 0
    for match in _KUBELET.finditer(chars.text):
        yield chars.slice(at, match.start())
        at = match.end()
        use = use_of(chars, match.start(), match.end())
        if match["escape"]:
            yield chars.slice(match.start() + 1, match.end())
        elif match["name"] in variables:
            yield variables[match["name"]].used_at(use, shared=False)
        else:
            yield hole(use, f"$({match['name']}) is set outside this file")
    yield chars.slice(at, len(chars.text))


def with_template_holes(chars: Chars, *, shell: bool = False) -> Chars:
    """Text with a hole for each ``{{ template }}``, which other tools fill in before anything is started.

    Where no ``shell`` reads the text, they fill in the ``${NAME}`` left in it, too.
    """
    parts: list[Chars] = []
    at = 0
    for match in (_TEMPLATE if shell else _TEMPLATE_OR_VARIABLE).finditer(chars.text):
        use = use_of(chars, match.start(), match.end())
        parts += [chars.slice(at, match.start()), hole(use, f"{match[0]} is filled in outside this file")]
        at = match.end()
    return joined([*parts, chars.slice(at, len(chars.text))]) if parts else chars
