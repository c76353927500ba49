"""The YAML tree: what a text says, and exactly where. Duplicates, aliases and merges are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from vram_engine.syntax.scalars import Value, yaml11
from vram_engine.text import LineIndex, Span


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar. ``text`` is decoded (escapes, folding); ``style`` is ``""`` plain, ``'``, ``"``, ``|`` or ``>``."""

    span: Span
    text: str
    style: str
    tag: str | None = None

    @property
    def value(self) -> Value:
        """What PyYAML's safe loader, and so vLLM, reads here."""
        return yaml11(self.text, self.style, self.tag)


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``key: value`` of a mapping; a missing value is an empty plain Scalar."""

    key: Node
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping, entries in the order written, duplicates and ``<<`` included."""

    span: Span
    entries: tuple[Entry, ...]
    flow: bool = False

    def pairs(self) -> Iterator[tuple[str, Entry]]:
        """The entries whose key is a scalar, by the key's text, as written: merges are not followed."""
        for entry in self.entries:
            if isinstance(entry.key, Scalar):
                yield entry.key.text, entry

    def merged_pairs(self) -> Iterator[tuple[str, Entry]]:
        """``pairs`` with what ``<<`` merges in before them, so that of equal keys the last counts, as for PyYAML."""
        own: list[tuple[str, Entry]] = []
        for text, entry in self.pairs():
            if text == "<<":
                yield from _merged(entry.value)
            else:
                own.append((text, entry))
        yield from own

    def entry(self, key: str) -> Entry | None:
        """The entry that counts for ``key``: the last one written, as PyYAML reads duplicates."""
        found = None
        for text, candidate in self.pairs():
            if text == key:
                found = candidate
        return found

    def get(self, key: str) -> Node | None:
        """The value under ``key``, aliases resolved and merges followed."""
        found = self.entry(key)
        if found is None and self.entry("<<") is not None:
            for text, entry in self.merged_pairs():
                found = entry if text == key else found
        return resolve(found.value) if found else None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    span: Span
    items: tuple[Node, ...]
    flow: bool = False


@dataclass(frozen=True, slots=True)
class Alias:
    """``*name``: its own span, and what it stands for (``None`` where the anchor is missing or still open)."""

    span: Span
    target: Node | None


Node: TypeAlias = Scalar | Mapping | Sequence | Alias


@dataclass(frozen=True, slots=True)
class Problem:
    """A place that is not YAML, in PyYAML's words."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment: ``span`` from the ``#`` to the end of its line, ``text`` without the ``#``."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document of a file. ``root`` is None when it is empty or nothing of it could be read."""

    span: Span
    root: Node | None
    comments: tuple[Comment, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole file: its documents, and the index of its lines."""

    text: str
    lines: LineIndex
    documents: tuple[Document, ...]


def _merged(node: Node) -> Iterator[tuple[str, Entry]]:
    """The pairs behind ``<<``; of several maps the first wins, so it comes last."""
    value = resolve(node)
    if isinstance(value, Mapping):
        yield from value.pairs()
    elif isinstance(value, Sequence):
        for item in reversed(value.items):
            inner = resolve(item)
            if isinstance(inner, Mapping):
                yield from inner.pairs()


def resolve(node: Node | None) -> Node | None:
    """``node`` with an alias replaced by what it stands for; chains end because an anchor is read before its alias."""
    while isinstance(node, Alias):
        node = node.target
    return node
