"""What is mounted into the container of a compose service or a pod."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import normpath

from vram_engine.dialects.compose_services import Service
from vram_engine.dialects.container import scalar_chars
from vram_engine.dialects.docker_run import mount, short_mounts
from vram_engine.dialects.trees import at, items, maps, scalars, text_of
from vram_engine.dialects.variables import interpolated
from vram_engine.mounts import ContainerFiles, Mount
from vram_engine.syntax.nodes import Mapping, Node, Scalar, Tree, resolve


def service_files(text: str, root: Node | None, service: Service) -> ContainerFiles:
    """The files of a compose service: its volumes, and the ``configs`` that come from files."""
    mounts = [*_volumes(text, service.node("volumes")), *_configs(root, service.node("configs"))]
    return ContainerFiles(tuple(mounts), text_of(service.node("working_dir")), _contents(root, service))


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


def _contents(root: Node | None, service: Service) -> dict[str, str]:
    """The ``configs`` whose content is written in the file itself."""
    found: dict[str, str] = {}
    for target, name in _config_targets(service.node("configs")):
        content = resolve(at(root, "configs", name, "content"))
        # Compose replaces variables in it, which may be anything.
        if isinstance(content, Scalar) and "$" not in content.text:
            found[normpath(target)] = content.text
    return found


def _config_targets(node: Node | None) -> Iterator[tuple[str, str]]:
    """Where each config is in the container, and its name; without a target, in the root by its name."""
    for item in items(node):
        name = text_of(item.get("source")) if isinstance(item, Mapping) else text_of(item)
        target = text_of(item.get("target")) if isinstance(item, Mapping) else ""
        yield target if target.startswith("/") else f"/{target or name}", name


def _configs(root: Node | None, node: Node | None) -> Iterator[Mount]:
    for target, name in _config_targets(node):
        file = text_of(at(root, "configs", name, "file"))
        yield mount(target, file if file.startswith(("/", ".")) or not file else f"./{file}")


def pod_files(tree: Tree, spec: Mapping, container: Mapping) -> ContainerFiles:
    """The files of a container in a pod: the node's own paths, and config maps of the same file."""
    sources = {text_of(each.get("name")): text_of(at(each, "hostPath", "path")) for each in maps(spec.get("volumes"))}
    mounts: list[Mount] = []
    for each in maps(container.get("volumeMounts")):
        source, part = sources.get(text_of(each.get("name")), ""), text_of(each.get("subPath"))
        known = source and each.get("subPathExpr") is None
        mounts.append(
            mount(text_of(each.get("mountPath")), f"{source.rstrip('/')}/{part}".rstrip("/") if known else "")
        )
    working_dir = resolve(container.get("workingDir"))
    texts = dict(_config_map_texts(tree, spec, container))
    return ContainerFiles(tuple(each for each in mounts if each.target), text_of(working_dir), texts)


def _config_map_texts(tree: Tree, spec: Mapping, container: Mapping) -> Iterator[tuple[str, str]]:
    volumes = {text_of(each.get("name")): each.get("configMap") for each in maps(spec.get("volumes"))}
    for each in maps(container.get("volumeMounts")):
        volume = volumes.get(text_of(each.get("name")))
        target, part = text_of(each.get("mountPath")), text_of(each.get("subPath"))
        if volume is None or not target.startswith("/") or each.get("subPathExpr") is not None:
            continue
        for path, content in _files_of(tree, volume).items():
            if not part or part == path:
                yield normpath(target if part else f"{target}/{path}"), content


def _files_of(tree: Tree, volume: Node) -> dict[str, str]:
    """The files of a ``configMap`` volume, where a document of the same file holds the map."""
    data = config_map(tree, text_of(at(volume, "name")))
    listed = {text_of(each.get("path")): text_of(each.get("key")) for each in maps(at(volume, "items"))}
    paths = listed or {key: key for key in data}
    return {path: data[key] for path, key in paths.items() if key in data}


def config_map(tree: Tree, name: str) -> dict[str, str]:
    """The data of a ConfigMap that a document of the file holds; nothing where none does."""
    for document in tree.documents:
        root = document.root
        if name and text_of(at(root, "kind")) == "ConfigMap" and text_of(at(root, "metadata", "name")) == name:
            return {key: scalar.text for key, scalar in scalars(at(root, "data"))}
    return {}
