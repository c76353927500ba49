"""RunPod's vLLM worker: an image that takes every setting from its environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from vram_engine.deployment import Known, Setting, Site, Unknown
from vram_engine.dialects.container import Container
from vram_engine.dialects.engine_settings import EngineSettings
from vram_engine.dialects.keyed import one, together
from vram_engine.dialects.values import Invalid, read_value
from vram_engine.dialects.words import text_site
from vram_engine.facts.flags import Flag, flag

_WORKER = re.compile(r"runpod/worker-(?:v1-)?vllm[\w.-]*$", re.ASCII)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class VariableSites(dict[str, Site | None]):
    """Where variables that a worker does not have yet would go: beside the others, ``placed`` by their names."""

    def __init__(self, known: Mapping[str, Site | None], placed: Callable[[str], Site]) -> None:
        super().__init__(known)
        self._placed = placed

    def __missing__(self, name: str) -> Site:
        found = flag(name)
        if found is None or found.positional:
            raise KeyError(name)
        return self._placed(name.upper().replace("-", "_"))


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
