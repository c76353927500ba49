"""Small questions to a tree that every dialect asks: the items of a list, the text of a scalar, what is at a route."""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.syntax.nodes import Mapping, Node, Scalar, Sequence, resolve
from vram_engine.text import Span


def items(node: Node | None) -> Iterator[Node]:
    """The items of a list, aliases followed; nothing for anything else."""
    holder = resolve(node)
    if isinstance(holder, Sequence):
        for item in holder.items:
            found = resolve(item)
            if found is not None:
                yield found


def maps(node: Node | None) -> Iterator[Mapping]:
    """The items of a list that are maps."""
    return (item for item in items(node) if isinstance(item, Mapping))


def scalars(node: Node | None) -> Iterator[tuple[str, Scalar]]:
    """The ``key: scalar`` pairs of a map."""
    holder = resolve(node)
    if isinstance(holder, Mapping):
        for key, entry in holder.pairs():
            value = resolve(entry.value)
            if isinstance(value, Scalar):
                yield key, value


def text_of(node: Node | None) -> str:
    """The text of a scalar; empty for anything else."""
    scalar = resolve(node)
    return scalar.text.strip() if isinstance(scalar, Scalar) else ""


def span_of(node: Node | None) -> Span | None:
    """Where a scalar is."""
    scalar = resolve(node)
    return scalar.span if isinstance(scalar, Scalar) else None


def is_true(node: Node | None) -> bool:
    """Whether a scalar is true."""
    scalar = resolve(node)
    return isinstance(scalar, Scalar) and scalar.value is True


def is_false(node: Node | None) -> bool:
    """Whether a scalar is false, which is not the same as absent."""
    scalar = resolve(node)
    return isinstance(scalar, Scalar) and scalar.value is False


def at(node: Node | None, *keys: str) -> Node | None:
    """The value behind some keys, an alias at the end left as it is."""
    for key in keys[:-1]:
        holder = resolve(node)
        node = holder.get(key) if isinstance(holder, Mapping) else None
    holder = resolve(node)
    entry = holder.entry(keys[-1]) if isinstance(holder, Mapping) else None
    return entry.value if entry is not None else None


def key_span(node: Node | None, key: str) -> Span | None:
    """Where a key of a map is."""
    holder = resolve(node)
    entry = holder.entry(key) if isinstance(holder, Mapping) else None
    return entry.key.span if entry is not None else None
