"""Pods: the containers of a Kubernetes object, what they run, and what they run on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vram_engine.deployment import Known, Setting, Unknown
from vram_engine.dialects.accelerators import (
    gpu_of_labels,
    gpus_of_resources,
    quantity,
    required,
    selected,
)
from vram_engine.dialects.chars import Chars, hole
from vram_engine.dialects.container import (
    Container,
    Given,
    item_words,
    references,
    scalar_chars,
    version_setting,
)
from vram_engine.dialects.image import read_image
from vram_engine.dialects.trees import items
from vram_engine.dialects.variables import kubelet
from vram_engine.dialects.words import Word
from vram_engine.syntax.nodes import Document, Mapping, Node, Scalar, Sequence, resolve
from vram_engine.text import Span

# What a container gets of shared memory when nothing mounts /dev/shm.
CONTAINER_SHM_BYTES = 64 * 2**20

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
    )


def hardware(pod: Pod, container: Container) -> Given:
    """The GPUs, shared memory and release of one container."""
    found = gpus_of_resources(pod.container.get("resources"))
    if not any(setting.name == "gpu" for setting in found.settings):
        gpu = gpu_of_pod(pod.spec)
        machine = container.image.machine if container.image is not None else None
        if machine is not None:
            gpu = Setting("gpu", Unknown(f"the image is {machine}"), "file", "image", span=container.image_span)
        found += Given(() if gpu is None else (gpu,))
    extra = (version_setting(container.image, container.image_span), shared_memory(pod))
    return found + Given(tuple(setting for setting in extra if setting is not None))


def gpu_of_pod(spec: Mapping) -> Setting | None:
    """The GPU that a pod's node selector or required affinity asks for."""
    found = gpu_of_labels(selected(spec.get("nodeSelector")))
    if found is not None:
        return found
    affinity = spec.get("affinity")
    node = affinity.get("nodeAffinity") if isinstance(affinity, Mapping) else None
    rule = node.get("requiredDuringSchedulingIgnoredDuringExecution") if isinstance(node, Mapping) else None
    terms = list(required(rule.get("nodeSelectorTerms"))) if isinstance(rule, Mapping) else []
    if terms and all(gpu_of_labels(term) is not None for term in terms):
        return gpu_of_labels(label for term in terms for label in term)
    return None


def shared_memory(pod: Pod) -> Setting | None:
    """What is mounted on /dev/shm; the container's own 64 MiB where nothing is; None where the rest is elsewhere."""
    host = pod.spec.get("hostIPC")
    if isinstance(host, Scalar) and host.value is True:
        return Setting("shm-bytes", Unknown("the host's shared memory"), "file", "hostIPC", span=host.span)
    for mount in items(pod.container.get("volumeMounts")):
        path = mount.get("mountPath") if isinstance(mount, Mapping) else None
        if isinstance(mount, Mapping) and isinstance(path, Scalar) and path.text.rstrip("/") == "/dev/shm":
            size = _volume_size(pod.spec, mount.get("name"))
            value = Known(size) if size is not None else Unknown("as large as the node allows")
            return Setting("shm-bytes", value, "file", "/dev/shm", span=path.span)
    if pod.container.get("image") is None:
        return None
    return Setting("shm-bytes", Known(CONTAINER_SHM_BYTES), "default")


def _volume_size(spec: Mapping, name: Node | None) -> int | None:
    for volume in items(spec.get("volumes")):
        called = volume.get("name") if isinstance(volume, Mapping) else None
        if not isinstance(volume, Mapping) or not isinstance(called, Scalar) or not isinstance(name, Scalar):
            continue
        empty = volume.get("emptyDir")
        limit = empty.get("sizeLimit") if isinstance(empty, Mapping) and called.text == name.text else None
        if isinstance(limit, Scalar):
            return quantity(limit.text)
    return None


def without_default_shm(given: Given) -> Given:
    """Where a controller mounts shared memory by itself, that nothing in the file does says nothing."""
    kept = (each for each in given.settings if each.name != "shm-bytes" or each.origin != "default")
    return Given(tuple(kept), given.sites)
