"""RunPod's vLLM worker: an image that takes every setting from its environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vram_engine.deployment import Known, MapSite, Setting, Site, Unknown
from vram_engine.dialects.container import Container
from vram_engine.dialects.engine_settings import EngineSettings
from vram_engine.dialects.keyed import one, together
from vram_engine.dialects.values import Invalid, read_value
from vram_engine.dialects.words import text_site
from vram_engine.facts.flags import Flag, flag
from vram_engine.syntax.route import Route

_WORKER = re.compile(r"runpod/worker-(?:v1-)?vllm[\w.-]*$", re.ASCII)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class VariableSites(dict[str, Site | None]):
    """Where variables that a worker does not have yet would go: into the map of the others."""

    def __init__(self, known: Mapping[str, Site | None], number: int, route: Route) -> None:
        super().__init__(known)
        self._home = (number, route)

    def __missing__(self, name: str) -> MapSite:
        found = flag(name)
        if found is None or found.positional:
            raise KeyError(name)
        number, route = self._home
        # A variable is text, and only text that YAML reads as such is let through for true and false.
        spellings = {"true": '"true"', "false": '"false"'}
        return MapSite(number, (*route, name.upper().replace("-", "_")), spellings)


def worker_settings(container: Container) -> EngineSettings | None:
    """What the variables of a worker say; None for a container of anything else, or without a model."""
    if (
        container.image is None
        or _WORKER.search(container.image.name) is None
        or "MODEL_NAME" not in container.variables
    ):
        return None
    return together(*(read for name in container.variables if (read := _variable(container, name)) is not None))


def _variable(container: Container, name: str) -> EngineSettings | None:
    chars = container.variables[name]
    found = flag("model" if name == "MODEL_NAME" else name.lower())
    if found is None or found.positional or not name.isupper() or (chars.hole is None and not chars.text.strip()):
        return None
    value = Unknown(chars.hole) if chars.hole is not None else _value(found, chars.text.strip())
    span = container.names.get(name, chars.span)
    return one(Setting(found.name, value, "file", name, span=chars.span if chars.text else span), text_site(chars))


def _value(found: Flag, text: str) -> Known | Unknown:
    if found.type == "bool":
        meant = _BOOLEANS.get(text.lower())
        return Unknown(f"{found.name} is neither true nor false") if meant is None else Known(meant)
    read = read_value(found, text)
    return Unknown(read.message) if isinstance(read, Invalid) else read
