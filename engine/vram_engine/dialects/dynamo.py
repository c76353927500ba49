"""NVIDIA Dynamo: the workers of a ``DynamoGraphDeployment``, in both of its versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vram_engine.deployment import Deployment, Known, Setting
from vram_engine.dialects.accelerators import count, gpus_of_resources, quantity, with_nodes
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.container import Given, container_launches, deployment, engine_of
from vram_engine.dialects.pod_groups import spread_by_arguments
from vram_engine.dialects.pod_hardware import hardware, without_default_shm
from vram_engine.dialects.pods import Pod, container_of, kind_of, pods
from vram_engine.dialects.surroundings import around_container, placed
from vram_engine.dialects.trees import at, maps, span_of, text_of
from vram_engine.dialects.visible import visible_gpus
from vram_engine.syntax.nodes import Document, Mapping, Node, Tree, resolve
from vram_engine.text import Span


def _claims(tree: Tree, number: int) -> bool:
    return _suits(tree.documents[number]) and bool(_read(tree, number))


def _suits(document: Document) -> bool:
    version, kind = kind_of(document)
    return version.startswith("nvidia.com/") and kind.startswith("DynamoGraphDeployment")


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    root = tree.documents[number].root
    graph = text_of(at(root, "metadata", "name")) or "graph"
    return tuple(
        replace(found, name=f"{graph}/{name}", anchor=span)
        for name, span, service in (*_services(root), *_components(root))
        for found in _workers(tree.text, number, service)
    )


def _services(root: Node | None) -> Iterator[tuple[str, Span | None, Mapping]]:
    """``v1alpha1``: a map of services."""
    services = resolve(at(root, "spec", "services"))
    for name, entry in services.pairs() if isinstance(services, Mapping) else ():
        service = resolve(entry.value)
        if isinstance(service, Mapping):
            yield name, entry.key.span, service


def _components(root: Node | None) -> Iterator[tuple[str, Span | None, Mapping]]:
    """``v1beta1``: a list of components."""
    for component in maps(at(root, "spec", "components")):
        name = component.get("name")
        yield text_of(name) or "component", span_of(name), component


def _pods(service: Mapping) -> Iterator[Pod]:
    container, spec = resolve(at(service, "extraPodSpec", "mainContainer")), resolve(at(service, "extraPodSpec"))
    if isinstance(container, Mapping) and isinstance(spec, Mapping):
        yield Pod(container, spec, ())
    yield from pods(at(service, "podTemplate"))


def _workers(text: str, number: int, service: Mapping) -> Iterator[Deployment]:
    for pod in _pods(service):
        container = container_of(text, pod.container)
        if container is None:
            continue
        own = gpus_of_resources(at(service, "resources"), extra="gpu")
        given = own + without_default_shm(hardware(pod, container)) + _shared_memory(service)
        nodes = count(at(service, "multinode", "nodeCount"))
        if nodes is not None and nodes > 1:
            given = with_nodes(given, nodes, span_of(at(service, "multinode", "nodeCount")), "")
        for launch in container_launches(container):
            # Dynamo's releases are not vLLM's: the image names none.
            engine = engine_of(text, launch, container.image, None)
            spread = spread_by_arguments("DynamoGraphDeployment", pod, container, launch, engine, given)
            made = deployment("dynamo", "", number, None, engine, visible_gpus(spread, launch.variables))
            yield placed(made, around_container(container, launch.environment))


def _shared_memory(service: Mapping) -> Given:
    for size in (at(service, "sharedMemory", "size"), at(service, "sharedMemorySize")):
        number = quantity(text_of(size))
        if number is not None:
            return Given((Setting("shm-bytes", Known(number), "file", "sharedMemory", span=span_of(size)),))
    return Given()


DYNAMO = Dialect("dynamo", _claims, _suits, _read)
