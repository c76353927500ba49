"""Docker Compose: services whose command line starts vLLM, and the GPUs they reserve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vram_engine.deployment import Deployment, FramedSite, MapSite, Site
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.chars import Chars, hole
from vram_engine.dialects.compose_gpus import gpus_of_service
from vram_engine.dialects.compose_services import Service, services
from vram_engine.dialects.compose_shm import shared_memory, shm_site
from vram_engine.dialects.container import (
    Container,
    Given,
    container_launches,
    container_remarks,
    deployment,
    engine_of,
    item_words,
    running_together,
    scalar_chars,
    version_setting,
    with_remarks,
    written_image,
)
from vram_engine.dialects.environment_files import with_service_files
from vram_engine.dialects.image import read_image
from vram_engine.dialects.mounted import service_files
from vram_engine.dialects.peers import Started, with_peers
from vram_engine.dialects.runpod import VariableSites, worker_settings
from vram_engine.dialects.shell import split_words
from vram_engine.dialects.surroundings import around_container, placed
from vram_engine.dialects.variables import interpolated
from vram_engine.dialects.words import ScalarPart, Word, append_site
from vram_engine.mounts import ContainerFiles
from vram_engine.syntax.nodes import Document, Mapping, Scalar, Tree, resolve


def _claims(tree: Tree, number: int) -> bool:
    return _suits(tree.documents[number]) and bool(_read(tree, number))


def _suits(document: Document) -> bool:
    root = resolve(document.root)
    if not isinstance(root, Mapping) or root.entry("apiVersion") is not None or root.entry("on") is not None:
        return False
    return isinstance(root.get("services"), Mapping)


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    found: list[Started] = []
    root = tree.documents[number].root
    for service in services(root):
        files = service_files(tree.text, root, service)
        read = tuple(_read_service(tree.text, number, service, files))
        for each in read:
            name = service.name if len(read) == 1 else f"{service.name}/{each.deployment.name or len(found)}"
            found.append(each.named(name))
    return with_peers(found)


def _read_service(text: str, number: int, service: Service, files: ContainerFiles) -> Iterator[Started]:
    container = _container(text, service)
    if container is None:
        return
    worker = worker_settings(container)
    if worker is not None:
        gpus = gpus_of_service(text, service, container.variables)
        worker = replace(worker, sites=_variable_sites(text, number, service, worker.sites))
        made = replace(deployment("runpod", "", number, service.span, worker, gpus.given), container=files)
        made = placed(made, with_service_files(text, service, around_container(container, container.variables)))
        yield Started(made, gpus.devices, service.profiles)
        return
    for launch, together in running_together(container_launches(container)):
        gpus = gpus_of_service(text, service, launch.variables)
        facts = (shared_memory(service), version_setting(container.image, container.image_span))
        given = gpus.given + Given(tuple(fact for fact in facts if fact is not None), shm_site(number, service))
        engine = engine_of(text, launch, container.image, facts[1])
        made = replace(deployment("compose", "", number, service.span, engine, given), container=files)
        made = placed(made, with_service_files(text, service, around_container(container, launch.environment)))
        made = with_remarks(made, tuple(container_remarks(text, container, launch, engine)))
        yield Started(made, gpus.devices if together else None, service.profiles)


# A variable is text, and true and false are text only in quotes.
_AS_TEXT = {"true": '"true"', "false": '"false"'}


def _variable_sites(text: str, number: int, service: Service, known: dict[str, Site | None]) -> dict[str, Site | None]:
    """With places for variables that are not there yet, where those of the service are its own."""
    node = service.node("environment")
    if service.is_shared("environment"):
        return known
    if isinstance(node, Mapping):
        route = ("services", service.name, "environment")
        return VariableSites(known, lambda name: MapSite(number, (*route, name), _AS_TEXT))
    words = item_words(text, node)
    end = append_site(text, words) if words else None
    if end is None:
        return known
    quote = end.value_style
    return VariableSites(known, lambda name: FramedSite(end.at, f"{end.lead}{quote}{name}=", quote))


def _container(text: str, service: Service) -> Container | None:
    """What a service runs; None when its command cannot be read."""
    variables = {name: _variable(text, service, name) for name in service.environment}
    words: list[Word] = []
    for section in ("entrypoint", "command"):
        read = _words(text, service, section)
        if read is None:
            return None
        words += read
    image = _image(text, service)
    entrypoint = service.node("entrypoint")
    return Container(
        words=tuple(words),
        replaces_entrypoint=entrypoint is not None and not _is_null(entrypoint),
        image=read_image(image.text if image is not None and image.hole is None else ""),
        image_span=image.span if image is not None else None,
        variables=variables,
        names={name: span for name, (span, _, _) in service.environment.items()},
        named_image=written_image(image.text, image.span) if image is not None else None,
    )


def _image(text: str, service: Service) -> Chars | None:
    chars = scalar_chars(text, service.node("image"))
    return interpolated(chars) if chars is not None else None


def _variable(text: str, service: Service, name: str) -> Chars:
    """The value of a variable of the service's environment."""
    span, node, shared = service.environment[name]
    chars = scalar_chars(text, node, shared=shared)
    if chars is None:
        return hole(span, f"{name} cannot be read")
    return interpolated(chars.slice(service.skipped(node, name), len(chars.text)))


def _is_null(node: object) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _words(text: str, service: Service, section: str) -> tuple[Word, ...] | None:
    """A command line: a list is taken as it is, a string is split; nothing runs it in a shell."""
    node = service.node(section)
    shared = service.is_shared(section)
    if node is None or _is_null(node):
        return ()
    if isinstance(node, Scalar):
        chars = scalar_chars(text, node, shared=shared)
        return None if chars is None else split_words(interpolated(chars), ScalarPart(node, shared))
    listed = item_words(text, node, shared=shared)
    return None if listed is None else tuple(Word(interpolated(word.chars), word.raw, word.home) for word in listed)


COMPOSE = Dialect("compose", _claims, _suits, _read)
