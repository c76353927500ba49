"""Routes: how everything above the syntax says where in a file a thing is, without offsets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from vram_engine.syntax.nodes import Entry, Mapping, Node, Scalar, Sequence, Tree, resolve
from vram_engine.text import Span

Route: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A key or a value of a file: document number, route from its root, and which of the two is meant."""

    document: int
    route: Route
    part: Literal["key", "value"] = "value"


def node_at(root: Node | None, route: Route) -> Node | None:
    """The node a route leads to, aliases on the way followed; None when it leads nowhere."""
    node = resolve(root)
    for step in route:
        if isinstance(node, Mapping) and isinstance(step, str):
            node = node.get(step)
        elif isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
            node = resolve(node.items[step])
        else:
            return None
    return node


def entry_at(root: Node | None, route: Route) -> Entry | None:
    """The ``key: value`` a route leads to, with the value as written (an alias stays an alias)."""
    if not route or not isinstance(route[-1], str):
        return None
    parent = node_at(root, route[:-1])
    return parent.entry(route[-1]) if isinstance(parent, Mapping) else None


def span_of(tree: Tree, place: Place) -> Span | None:
    """Where a place is in the text; a value that is missing or empty is shown on its key."""
    if place.document >= len(tree.documents):
        return None
    root = tree.documents[place.document].root
    entry = entry_at(root, place.route)
    if entry is None:
        node = node_at(root, place.route)
        return node.span if node is not None else None
    value = entry.value.span
    return entry.key.span if place.part == "key" or value.start == value.end else value


def route_at(root: Node | None, offset: int) -> Route:
    """The route of the innermost entry or item at ``offset``; the empty route when there is none."""
    route: list[str | int] = []
    node = root
    while node is not None:
        step = _step_at(node, offset)
        if step is None:
            break
        name, node = step
        route.append(name)
    return tuple(route)


def _step_at(node: Node, offset: int) -> tuple[str | int, Node] | None:
    if isinstance(node, Mapping):
        for entry in node.entries:
            if isinstance(entry.key, Scalar) and _covers(entry, offset):
                return entry.key.text, entry.value
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            if item.span.touches(offset):
                return index, item
    return None


def _covers(entry: Entry, offset: int) -> bool:
    return entry.key.span.start <= offset <= max(entry.key.span.end, entry.value.span.end)
