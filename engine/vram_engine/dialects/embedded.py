"""YAML inside a scalar of YAML: its tree, with every span in the outer file."""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.dialects.chars import Chars
from vram_engine.dialects.container import scalar_chars
from vram_engine.syntax.nodes import Alias, Entry, Mapping, Node, Scalar, Sequence
from vram_engine.syntax.parse import parse
from vram_engine.text import Span

_DEEPEST = 40


def embedded(text: str, node: Node | None) -> Node | None:
    """The root of the YAML text that a scalar holds; None when it holds none, or cannot be followed."""
    chars = scalar_chars(text, node)
    if chars is None or not chars.text.strip():
        return None
    documents = [document for document in parse(chars.text).documents if document.root is not None]
    if len(documents) != 1 or documents[0].problems:
        return None
    return _rebased(chars, documents[0].root, 0)


def _rebased(chars: Chars, node: Node | None, depth: int) -> Node | None:
    if node is None or depth > _DEEPEST:
        return None
    span = _outer(chars, node.span)
    if isinstance(node, Scalar):
        return Scalar(span, node.text, node.style, node.tag)
    if isinstance(node, Alias):
        return Alias(span, _rebased(chars, node.target, depth + 1))
    if isinstance(node, Sequence):
        return Sequence(span, tuple(_known(chars, node.items, depth)), node.flow)
    entries = (
        Entry(key, value)
        for entry in node.entries
        for key in _known(chars, (entry.key,), depth)
        for value in _known(chars, (entry.value,), depth)
    )
    return Mapping(span, tuple(entries), node.flow)


def _known(chars: Chars, nodes: tuple[Node, ...], depth: int) -> Iterator[Node]:
    for node in nodes:
        rebased = _rebased(chars, node, depth + 1)
        if rebased is not None:
            yield rebased


def _outer(chars: Chars, span: Span) -> Span:
    if not chars.text:
        return Span(0, 0)
    last = len(chars.text) - 1
    start = chars.starts[min(span.start, last)]
    return Span(start, chars.ends[min(span.end - 1, last)] if span.end > span.start else start)
