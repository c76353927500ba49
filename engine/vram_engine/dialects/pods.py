"""Pods: the containers of a Kubernetes object, and what they run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vram_engine.dialects.chars import Chars, hole
from vram_engine.dialects.container import (
    Container,
    image_at,
    item_words,
    references,
    scalar_chars,
)
from vram_engine.dialects.image import read_image
from vram_engine.dialects.trees import items
from vram_engine.dialects.variables import kubelet
from vram_engine.dialects.words import Word
from vram_engine.syntax.nodes import Document, Mapping, Node, Scalar, Sequence, resolve
from vram_engine.text import Span

_MOST_NODES = 20_000
_DEEPEST = 60


@dataclass(frozen=True, slots=True)
class Pod:
    """A container with what surrounds it: its pod's spec, and the maps from the document's root down to it."""

    container: Mapping
    spec: Mapping
    path: tuple[tuple[str, Mapping], ...]


def kind_of(document: Document) -> tuple[str, str]:
    """The ``apiVersion`` and ``kind`` of a document; empty where it is no Kubernetes object."""
    root = resolve(document.root)
    if not isinstance(root, Mapping):
        return "", ""
    version, kind = root.get("apiVersion"), root.get("kind")
    if not isinstance(version, Scalar) or not isinstance(kind, Scalar):
        return "", ""
    return version.text, kind.text


def pods(root: Node | None) -> Iterator[Pod]:
    """Every container of a document, those that only prepare (``initContainers``) left out."""
    left = _MOST_NODES
    stack: list[tuple[Node | None, tuple[tuple[str, Mapping], ...]]] = [(root, ())]
    while stack and left > 0:
        left -= 1
        node, path = stack.pop()
        node = resolve(node)
        if isinstance(node, Sequence):
            stack += [(item, path) for item in reversed(node.items)]
        elif isinstance(node, Mapping) and len(path) < _DEEPEST:
            stack += [
                (entry.value, (*path, (key, node)))
                for key, entry in reversed(list(node.pairs()))
                if key not in ("containers", "initContainers", "status")
            ]
            for container in items(node.get("containers")):
                if isinstance(container, Mapping):
                    yield Pod(container, node, path)


def environment(text: str, container: Mapping) -> tuple[dict[str, Chars], dict[str, Span]]:
    """A container's variables, and where their names are. What comes from elsewhere is a hole."""
    variables: dict[str, Chars] = {}
    names: dict[str, Span] = {}
    read_by = _texts_of(container)
    for each in items(container.get("env")):
        name = each.get("name") if isinstance(each, Mapping) else None
        if not isinstance(each, Mapping) or not isinstance(name, Scalar):
            continue
        names[name.text] = name.span
        shared = references(name.text, read_by) > 1
        chars = scalar_chars(text, each.get("value"), shared=shared)
        if chars is None:
            variables[name.text] = hole(name.span, f"{name.text} comes from outside this file")
        else:
            variables[name.text] = kubelet(chars, variables)
    return variables, names


def _texts_of(container: Mapping) -> list[str]:
    listed = [container.get("command"), container.get("args")]
    texts = [item.text for node in listed for item in items(node) if isinstance(item, Scalar)]
    values = (each.get("value") for each in items(container.get("env")) if isinstance(each, Mapping))
    return texts + [value.text for value in values if isinstance(value, Scalar)]


def container_of(text: str, node: Mapping) -> Container | None:
    """A container as what it runs; None when its command cannot be read."""
    variables, names = environment(text, node)
    words: list[Word] = []
    for section in ("command", "args"):
        entry = node.entry(section)
        if entry is None:
            continue
        listed = item_words(text, entry.value)
        if listed is None:
            return None
        words += [Word(kubelet(word.chars, variables), word.raw, word.home) for word in listed]
    image = node.get("image")
    return Container(
        words=tuple(words),
        replaces_entrypoint=isinstance(node.get("command"), Sequence),
        image=read_image(image.text) if isinstance(image, Scalar) else None,
        image_span=image.span if isinstance(image, Scalar) else None,
        variables=variables,
        names=names,
        named_image=image_at(image),
        variables_elsewhere="" if node.get("envFrom") is None else "more of it is in a Secret or ConfigMap",
    )
