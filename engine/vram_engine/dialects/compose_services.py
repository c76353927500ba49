"""Compose services with what they take over from anchors, merges and ``extends``, as Docker Compose does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vram_engine.syntax.nodes import Alias, Entry, Node, Scalar, Sequence, resolve
from vram_engine.syntax.nodes import Mapping as MappingNode
from vram_engine.text import Span

_DEEPEST = 8
# Of these, a service that extends another one has both's; of anything else, its own.
_ADDED = frozenset({"environment", "volumes", "deploy"})


@dataclass(frozen=True, slots=True)
class Part:
    """The value of one key of a service; ``shared`` says that it is written for others, too."""

    value: Node
    shared: bool


@dataclass(frozen=True, slots=True)
class Service:
    """One service. ``is_partial`` says that more of it is in another file."""

    name: str
    span: Span
    parts: Mapping[str, Part]
    is_partial: bool

    def node(self, key: str) -> Node | None:
        """The value of a key, aliases followed."""
        part = self.parts.get(key)
        return resolve(part.value) if part is not None else None

    def is_shared(self, key: str) -> bool:
        """Whether the value of a key is read in other places, too."""
        part = self.parts.get(key)
        return part is not None and (part.shared or isinstance(part.value, Alias))

    @property
    def profiles(self) -> frozenset[str]:
        """The profiles that start the service; none when it always starts."""
        node = self.node("profiles")
        listed = node.items if isinstance(node, Sequence) else ()
        return frozenset(item.text for item in listed if isinstance(item, Scalar))

    @property
    def environment(self) -> dict[str, tuple[Span, Scalar, bool]]:
        """The variables set here: where the name is, the scalar that holds the value, and whether it is shared."""
        node = self.node("environment")
        shared = self.is_shared("environment")
        found: dict[str, tuple[Span, Scalar, bool]] = {}
        if isinstance(node, MappingNode):
            for name, part in merged(node).items():
                value = resolve(part.value)
                entry = node.entry(name)
                if isinstance(value, Scalar) and value.value is not None:
                    span = entry.key.span if entry is not None else value.span
                    found[name] = (span, value, shared or part.shared)
        for item in node.items if isinstance(node, Sequence) else ():
            scalar = resolve(item)
            if isinstance(scalar, Scalar) and "=" in scalar.text:
                found[scalar.text.partition("=")[0]] = (scalar.span, scalar, shared or isinstance(item, Alias))
        return found

    @property
    def passed_on(self) -> dict[str, Span]:
        """The variables without a value, which are taken from the shell, and where they are named."""
        node = self.node("environment")
        found: dict[str, Span] = {}
        if isinstance(node, MappingNode):
            for name, part in merged(node).items():
                value = resolve(part.value)
                if isinstance(value, Scalar) and value.value is None:
                    found[name] = value.span
        for item in node.items if isinstance(node, Sequence) else ():
            scalar = resolve(item)
            if isinstance(scalar, Scalar) and scalar.text and "=" not in scalar.text:
                found[scalar.text] = scalar.span
        return found

    def skipped(self, node: Scalar, name: str) -> int:
        """How many characters of ``NAME=value`` come before the value."""
        is_list = isinstance(self.node("environment"), Sequence)
        return len(name) + 1 if is_list and node.text.startswith(f"{name}=") else 0


def services(root: Node | None) -> Iterator[Service]:
    """The services of a compose file, in order."""
    holder = resolve(root)
    listed = holder.get("services") if isinstance(holder, MappingNode) else None
    if not isinstance(listed, MappingNode):
        return
    for name, entry in listed.pairs():
        node = resolve(entry.value)
        if isinstance(node, MappingNode):
            parts, is_partial = _extended(listed, node, _DEEPEST)
            is_partial = is_partial or not {"image", "build"} & set(parts)
            yield Service(name, entry.key.span, parts, is_partial)


def _extended(listed: MappingNode, node: MappingNode, left: int) -> tuple[dict[str, Part], bool]:
    own = merged(node)
    base = resolve(own["extends"].value) if "extends" in own else None
    if base is None or left == 0:
        return own, False
    name = base if isinstance(base, Scalar) else base.get("service") if isinstance(base, MappingNode) else None
    elsewhere = isinstance(base, MappingNode) and base.entry("file") is not None
    found = listed.get(name.text) if isinstance(name, Scalar) and not elsewhere else None
    if not isinstance(found, MappingNode):
        return own, True
    parts, is_partial = _extended(listed, found, left - 1)
    inherited = {key: Part(part.value, True) for key, part in parts.items() if key not in own}
    doubtful = any(key in own and key in parts for key in _ADDED)
    return {**inherited, **own}, is_partial or doubtful


def merged(node: MappingNode, left: int = _DEEPEST) -> dict[str, Part]:
    """The entries of a map with those it merges in (``<<``): its own win, of several merged ones the first."""
    parts: dict[str, Part] = {}
    for entry in node.entries:
        if isinstance(entry.key, Scalar) and entry.key.text == "<<" and left > 0:
            for inherited in _merged_in(entry):
                for key, part in merged(inherited, left - 1).items():
                    parts.setdefault(key, Part(part.value, True))
    parts.update({key: Part(entry.value, False) for key, entry in node.pairs() if key != "<<"})
    return parts


def _merged_in(entry: Entry) -> Iterator[MappingNode]:
    value = resolve(entry.value)
    for each in value.items if isinstance(value, Sequence) else (value,):
        found = resolve(each)
        if isinstance(found, MappingNode):
            yield found
