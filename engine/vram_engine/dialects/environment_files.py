"""Variables that are kept outside of a container's own list: compose's ``env_file``, config maps of a pod."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from vram_engine.deployment import Deployment, Known, Unknown, Variable
from vram_engine.dialects.compose_services import Service
from vram_engine.dialects.container import scalar_chars
from vram_engine.dialects.mounted import config_map
from vram_engine.dialects.surroundings import Surroundings
from vram_engine.dialects.trees import at, items, maps, text_of
from vram_engine.dialects.variables import interpolated
from vram_engine.lent import FileRef, FilesKnown, LentFile
from vram_engine.syntax.nodes import Mapping as MappingNode
from vram_engine.syntax.nodes import Node, Scalar, Tree

_BEGINNING = re.compile(r"(?:export\s+)?([A-Za-z_][\w.-]*)\s*=", re.ASCII)
_COMMENT = re.compile(r"\s#.*")
_MOST_FILES = 16
# Files of the environment are where secrets are kept: only what may be about the engine is looked at.
_LOOKED_AT = re.compile(r"(?:VLLM|PYTORCH|CUDA)_(?!API_KEY)")


def with_service_files(text: str, service: Service, around: Surroundings) -> Surroundings:
    """With what a compose service takes from files and from the shell; its own list is stronger than either."""
    environment = dict(around.environment)
    for name, span in service.passed_on.items():
        environment[name] = Variable(Unknown(f"{name} is taken from the shell that starts the container"), span)
    paths = list(_paths(text, service.node("env_file")))
    told = [path for path in paths if path]
    elsewhere = around.elsewhere
    if len(told) < len(paths) or len(paths) > _MOST_FILES:
        elsewhere = "more of it is in a file whose name cannot be told"
    elif service.is_partial:
        elsewhere = "more of the service may be in another file"
    refs = tuple(FileRef(path if path.startswith(("/", ".")) else f"./{path}") for path in told[:_MOST_FILES])
    return replace(around, environment=environment, files=refs, elsewhere=elsewhere)


def _paths(text: str, node: Node | None) -> Iterator[str]:
    """Paths of env files, in order; empty for one that cannot be told."""
    for item in (node,) if isinstance(node, Scalar) else items(node):
        chars = scalar_chars(text, item.get("path") if isinstance(item, MappingNode) else item)
        path = interpolated(chars) if chars is not None else None
        yield path.text.strip() if path is not None and path.hole is None and not path.text.startswith("~") else ""


def with_config_maps(tree: Tree, container: Node, around: Surroundings) -> Surroundings:
    """With what a pod's container takes from whole config maps, as far as they are in the same file."""
    below: dict[str, Variable] = {}
    elsewhere = ""
    for source in maps(at(container, "envFrom")):
        name, prefix = text_of(at(source, "configMapRef", "name")), text_of(source.get("prefix"))
        found = config_map(tree, name)
        if not found:
            elsewhere = "more of it is in a Secret or ConfigMap that is not in this file"
        else:
            below |= {f"{prefix}{key}": Variable(Known(value)) for key, value in found.items()}
    return replace(around, environment={**below, **around.environment}, elsewhere=elsewhere)


def wanted_files(deployment: Deployment, known: FilesKnown) -> frozenset[FileRef]:
    """The files of the environment that have not been asked for."""
    return frozenset(ref for ref in deployment.environment_files if ref not in known)


def with_environment_files(deployment: Deployment, known: FilesKnown) -> Deployment:
    """The deployment with the variables of its files beneath its own, the last file the strongest."""
    below: dict[str, Variable] = {}
    elsewhere = deployment.environment_elsewhere
    for ref in deployment.environment_files:
        lent = known.get(ref)
        if isinstance(lent, LentFile):
            below |= dict(_variables(lent.text))
        else:
            elsewhere = f"more of it is in {ref.path}, which is not read here"
    return replace(deployment, environment={**below, **deployment.environment}, environment_elsewhere=elsewhere)


def _variables(text: str) -> Iterator[tuple[str, Variable]]:
    """``NAME=value`` lines as Docker Compose reads them; what it would fill in or unescape is not known."""
    for line in text.splitlines():
        match = _BEGINNING.match(line.strip())
        if match is not None:
            name, written = match[1], line.strip()[match.end() :].strip()
            looked_at = _LOOKED_AT.match(name) is not None
            yield name, Variable(_value(name, written) if looked_at else Unknown(f"{name} is not looked at"))


def _value(name: str, written: str) -> Known | Unknown:
    quote = written[:1]
    if quote and quote in "'\"":
        inner, sign, _ = written[1:].partition(quote)
        told = bool(sign) and (quote == "'" or not set("\\$") & set(inner))
        return Known(inner) if told else Unknown(f"the value of {name} in its file cannot be told")
    plain = _COMMENT.sub("", written)
    return Unknown(f"the value of {name} in its file cannot be told") if "$" in plain else Known(plain.strip())
