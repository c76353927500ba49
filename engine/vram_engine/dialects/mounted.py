"""What is mounted into the container of a compose service or a pod."""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.dialects.compose_services import Service
from vram_engine.dialects.container import scalar_chars
from vram_engine.dialects.docker_run import mount, short_mounts
from vram_engine.dialects.trees import at, items, maps, text_of
from vram_engine.dialects.variables import interpolated
from vram_engine.mounts import ContainerFiles, Mount
from vram_engine.syntax.nodes import Mapping, Node, Scalar, resolve


def service_files(text: str, root: Node | None, service: Service) -> ContainerFiles:
    """The files of a compose service: its volumes, and the ``configs`` that come from files."""
    mounts = [*_volumes(text, service.node("volumes")), *_configs(root, service.node("configs"))]
    return ContainerFiles(tuple(mounts), text_of(service.node("working_dir")))


def _volumes(text: str, node: Node | None) -> Iterator[Mount]:
    for item in items(node):
        if isinstance(item, Mapping):
            source = _interpolated(text, item.get("source"))
            yield mount(text_of(item.get("target")), source if text_of(item.get("type")) == "bind" else "")
        elif isinstance(item, Scalar):
            yield from short_mounts(_interpolated(text, item))


def _interpolated(text: str, node: Node | None) -> str:
    chars = scalar_chars(text, node)
    return interpolated(chars).text.strip() if chars is not None else ""


def _configs(root: Node | None, node: Node | None) -> Iterator[Mount]:
    for item in items(node):
        name = text_of(item.get("source")) if isinstance(item, Mapping) else text_of(item)
        target = text_of(item.get("target")) if isinstance(item, Mapping) else ""
        file = text_of(at(root, "configs", name, "file"))
        yield mount(target or f"/{name}", file if file.startswith(("/", ".")) or not file else f"./{file}")


def pod_files(spec: Mapping, container: Mapping) -> ContainerFiles:
    """The files of a container in a pod: what comes from the node's own paths can be followed."""
    sources = {text_of(each.get("name")): text_of(at(each, "hostPath", "path")) for each in maps(spec.get("volumes"))}
    mounts: list[Mount] = []
    for each in maps(container.get("volumeMounts")):
        source, part = sources.get(text_of(each.get("name")), ""), text_of(each.get("subPath"))
        known = source and each.get("subPathExpr") is None
        mounts.append(
            mount(text_of(each.get("mountPath")), f"{source.rstrip('/')}/{part}".rstrip("/") if known else "")
        )
    working_dir = resolve(container.get("workingDir"))
    return ContainerFiles(tuple(each for each in mounts if each.target), text_of(working_dir))
