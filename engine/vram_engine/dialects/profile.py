"""The profile (``profile_version: 1``): vram-lsp's own description of a deployment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vram_engine.deployment import Deployment, Known, MapSite, Scalar, Setting, Site, Unknown
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.flag_map import FlagMap, read_flag_map
from vram_engine.dialects.profile_checks import Checked, checked
from vram_engine.dialects.profile_keys import DEFAULTS, PATHS, READ_AS, SECTIONS, WRITTEN_AS
from vram_engine.syntax.nodes import Document, Node, Tree, resolve
from vram_engine.syntax.nodes import Mapping as MappingNode
from vram_engine.syntax.nodes import Scalar as ScalarNode
from vram_engine.syntax.plain import Plain, TooLargeError, plain
from vram_engine.syntax.route import Place, Route, entry_at, node_at

# Values that say nothing more than leaving the key out.
_SAYS_NOTHING = {("gpu", "auto"), ("quantization", "none"), ("interconnect", "unknown")}


def _claims(tree: Tree, number: int) -> bool:
    root = resolve(tree.documents[number].root)
    if not isinstance(root, MappingNode) or root.entry("profile_version") is None:
        return False
    version = root.get("profile_version")
    known = sum(key in SECTIONS or key == "profile_version" for key, _ in root.pairs())
    return isinstance(version, ScalarNode) and known * 2 > len(root.entries)


def _suits(document: Document) -> bool:
    root = resolve(document.root)
    if not isinstance(root, MappingNode):
        return root is None
    return any(isinstance(root.get(section), MappingNode) for section in SECTIONS) or bool(
        root.entry("profile_version")
    )


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    document = tree.documents[number]
    try:
        values = plain(document.root)
    except TooLargeError:
        return ()
    given = _without_nulls(values) if isinstance(values, dict) else {}
    given.setdefault("profile_version", 1)
    read = checked(document.root, given, number)
    settings: dict[str, tuple[Setting, ...]] = {}
    sites: dict[str, Site | None] = {}
    for name, paths in PATHS.items():
        occurrences = tuple(_occurrences(document.root, read, name, paths, number))
        if occurrences:
            settings[name] = occurrences
        sites[name] = MapSite(number, _home(document.root, paths), WRITTEN_AS)
    flags = _passed_on(document.root, number)
    for name, passed in flags.settings.items():
        settings[name] = (*settings.get(name, ()), *passed)
        sites[name] = flags.sites[name]
    name = str(_value_at(read.values, ("model", "id")) or "profile")
    return (Deployment("profile", name, number, settings, sites, (*read.remarks, *flags.remarks)),)


def _without_nulls(values: dict[str, Plain]) -> dict[str, Any]:
    """A key without a value yet counts as left out."""
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value is not None
    }


def _occurrences(
    root: Node | None, read: Checked, name: str, paths: tuple[Route, ...], number: int
) -> Iterator[Setting]:
    if name in DEFAULTS:
        yield Setting(name, Known(DEFAULTS[name]), "default")
    for path in paths:
        place = Place(number, path)
        if any(path[: len(wrong)] == wrong for wrong in read.wrong):
            yield Setting(name, Unknown(f"{'.'.join(map(str, path))} has no valid value"), "file", str(path[-1]), place)
            return
        value = _value_at(read.values, paths[0])
        node = node_at(root, path)
        if value is None or node is None or path[-1] not in _section(read.given, path):
            continue
        if (name, value) not in _SAYS_NOTHING:
            yield Setting(name, Known(_canonical(name, value)), "file", str(path[-1]), place, node.span)


def _section(given: dict[str, Any], path: Route) -> dict[str, Any]:
    section = given.get(str(path[0]))
    return section if isinstance(section, dict) else {}


def _canonical(name: str, value: Scalar) -> Scalar:
    if name == "gpu-memory-bytes":
        return round(float(value) * 2**30)
    return READ_AS.get(value, value) if isinstance(value, str) else value


def _value_at(given: dict[str, Any], path: Route) -> Scalar | None:
    section = given.get(str(path[0]))
    value = section.get(path[1]) if isinstance(section, dict) else None
    return value if isinstance(value, str | int | float | bool) else None


def _home(root: Node | None, paths: tuple[Route, ...]) -> Route:
    """The spelling this file uses, else the profile's own."""
    return next((path for path in paths if entry_at(root, path) is not None), paths[0])


def _passed_on(root: Node | None, number: int) -> FlagMap:
    """``outputs.vllm_args``: flags of vLLM, which win over the sections."""
    return read_flag_map(root, number, ("outputs", "vllm_args"))


PROFILE = Dialect("profile", _claims, _suits, _read)
