"""A tree as plain Python values, for what reads whole sub-trees (pydantic, JSON-valued flags)."""

from __future__ import annotations

from typing import TypeAlias

from vram_engine.syntax.nodes import Mapping, Node, Scalar, Sequence, resolve
from vram_engine.syntax.scalars import Value

Plain: TypeAlias = Value | list["Plain"] | dict[str, "Plain"]

# Aliases can make a small text stand for a huge value.
_MOST_NODES = 20_000


class TooLargeError(ValueError):
    """The value has more parts than any deployment needs."""


def plain(node: Node | None) -> Plain:
    """``node`` as dicts, lists and scalars; of duplicate keys the last counts. Raises TooLargeError."""
    return _Reader().read(node, 0)


class _Reader:
    def __init__(self) -> None:
        self.left = _MOST_NODES

    def read(self, node: Node | None, depth: int) -> Plain:
        self.left -= 1
        if self.left < 0 or depth > 100:
            raise TooLargeError
        node = resolve(node)
        if isinstance(node, Mapping):
            return {key: self.read(entry.value, depth + 1) for key, entry in node.merged_pairs()}
        if isinstance(node, Sequence):
            return [self.read(item, depth + 1) for item in node.items]
        return node.value if isinstance(node, Scalar) else None
