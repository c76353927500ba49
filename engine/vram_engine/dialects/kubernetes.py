"""Kubernetes: every container of every kind that has ``containers``, wherever in the document it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vram_engine.deployment import Deployment, FramedSite, Site
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.compose_gpus import Devices, visible_devices
from vram_engine.dialects.container import (
    Given,
    container_launches,
    container_remarks,
    deployment,
    engine_of,
    running_together,
    with_remarks,
)
from vram_engine.dialects.environment_files import with_config_maps
from vram_engine.dialects.keyed import line_behind
from vram_engine.dialects.mounted import pod_files
from vram_engine.dialects.peers import Started, with_peers
from vram_engine.dialects.pod_groups import group_of, spread_by_arguments
from vram_engine.dialects.pod_hardware import hardware
from vram_engine.dialects.pods import Pod, container_of, kind_of, pods
from vram_engine.dialects.runpod import VariableSites, worker_settings
from vram_engine.dialects.surroundings import around_container, placed
from vram_engine.dialects.trees import maps
from vram_engine.dialects.visible import visible_gpus
from vram_engine.syntax.nodes import Document, Mapping, Scalar, Sequence, Tree
from vram_engine.text import Span

# Definitions of kinds, not objects.
_NOT_OBJECTS = frozenset({"CustomResourceDefinition"})
# Groups whose objects say more than their containers do.
_OF_OTHER_DIALECTS = ("serving.kserve.io/", "nvidia.com/", "kubeai.org/", "kaito.sh/", "production-stack.vllm.ai/")


def _claims(tree: Tree, number: int) -> bool:
    version, kind = kind_of(tree.documents[number])
    if not version or not kind or kind in _NOT_OBJECTS or version.startswith(_OF_OTHER_DIALECTS):
        return False
    return bool(_read(tree, number))


def _suits(document: Document) -> bool:
    version, kind = kind_of(document)
    return bool(version or kind)


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    return read_pods(tree, number, "kubernetes", pods(tree.documents[number].root))


def read_pods(tree: Tree, number: int, dialect: str, found: Iterator[Pod]) -> tuple[Deployment, ...]:
    """The deployments of some containers, each by the name of its object."""
    _, kind = kind_of(tree.documents[number])
    read = [(pod, tuple(read_pod(tree, number, dialect, kind, pod))) for pod in found]
    names = [object_name(pod) for pod, started in read for _ in started]
    return tuple(
        each
        for pod, started in read
        for each in with_peers([_named(one, object_name(pod), pod, started, names) for one in started])
    )


def read_pod(
    tree: Tree, number: int, dialect: str, kind: str, pod: Pod, more: Given | None = None
) -> Iterator[Started]:
    """The engines that one container starts; ``more`` is what its object says of all its pods."""
    text = tree.text
    container = container_of(text, pod.container)
    if container is None:
        return
    files = pod_files(tree, pod.spec, pod.container)
    worker = worker_settings(container)
    if worker is not None:
        worker = replace(worker, sites=_variable_sites(text, pod, worker.sites))
        made = deployment("runpod", "", number, anchor(pod), worker, hardware(pod, container))
        made = placed(made, with_config_maps(tree, pod.container, around_container(container, container.variables)))
        yield Started(replace(made, container=files), None, frozenset())
        return
    for launch, together in running_together(container_launches(container)):
        given = hardware(pod, container) + (more or Given())
        version = next((each for each in given.settings if each.name == "vllm-version"), None)
        engine = engine_of(text, launch, container.image, version)
        given = spread_by_arguments(kind, pod, container, launch, engine, group_of(pod, given))
        given = visible_gpus(given, launch.variables)
        made = replace(deployment(dialect, "", number, anchor(pod), engine, given), container=files)
        made = placed(made, with_config_maps(tree, pod.container, around_container(container, launch.environment)))
        made = with_remarks(made, tuple(container_remarks(text, container, launch, engine)))
        # What is in one container sees the same devices, unless each is shown others.
        devices = visible_devices(launch.variables) or Devices(None, None)
        yield Started(made, devices if together else None, frozenset())


def _variable_sites(text: str, pod: Pod, known: dict[str, Site | None]) -> dict[str, Site | None]:
    """With places for variables that are not there yet: an item behind the last one."""
    entry = pod.container.entry("env")
    listed = list(maps(entry.value)) if entry is not None and isinstance(entry.value, Sequence) else []
    end = line_behind(text, listed[-1]) if listed else None
    if end is None or len(end[1]) < 3:
        return known
    at, lead = end
    return VariableSites(known, lambda name: FramedSite(at, f'{lead[:-2]}- name: {name}{lead}value: "', '"'))


def anchor(pod: Pod) -> Span | None:
    """The container's name, else its image."""
    shown = pod.container.get("name") or pod.container.get("image")
    return shown.span if isinstance(shown, Scalar) else None


def object_name(pod: Pod) -> str:
    """The name of the object that a container belongs to."""
    for _, holder in reversed(pod.path):
        metadata = holder.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        if isinstance(name, Scalar):
            return name.text
    return "pod"


def _named(started: Started, name: str, pod: Pod, beside: tuple[Started, ...], names: list[str]) -> Started:
    """By the object alone where it is the only one; else with the container, and the engine's number in it."""
    if names.count(name) == 1:
        return started.named(name)
    container = pod.container.get("name")
    own = container.text if isinstance(container, Scalar) else "container"
    return started.named(f"{name}/{own}" + (f"/{beside.index(started) + 1}" if len(beside) > 1 else ""))


KUBERNETES = Dialect("kubernetes", _claims, _suits, _read)
