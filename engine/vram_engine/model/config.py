"""A typed view over a ``config.json`` mapping that trusts nothing it reads.

Readers raise ``ConfigError`` for a missing or impossible value; ``from_config`` and ``cache_layers`` are the two
places that turn it into ``Unavailable``. Nothing else of the engine sees the exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

from vram_engine.model.defaults import DEFAULTS, SECTIONS, Default
from vram_engine.model.spec import Unavailable

LARGEST_INTEGER = 2**40
LONGEST_SEQUENCE = 2**18
MOST_LAYERS = 4096

P = ParamSpec("P")
T = TypeVar("T")


class ConfigError(Exception):
    """A config value that is missing or cannot be true; ``str()`` is a sentence for the user."""


def readable(build: Callable[P, T | Unavailable]) -> Callable[P, T | Unavailable]:
    """Turn a ``ConfigError`` raised inside ``build`` into the ``Unavailable`` it means."""

    @wraps(build)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T | Unavailable:
        try:
            return build(*args, **kwargs)
        except ConfigError as error:
            return Unavailable(str(error))

    return guarded


@dataclass(frozen=True, slots=True)
class Config:
    """One mapping of a ``config.json``, whose ``null`` is no value.

    Keys the file leaves out, but not those that are null, are answered by what the config class of the ``model_type``
    fills in.
    ``path`` is the dotted place of this mapping in the file, for messages; ``implied_type`` is the model_type of a
    section that states none.
    """

    data: Mapping[str, object]
    path: str = ""
    implied_type: str = ""

    @property
    def model_type(self) -> str:
        """The ``model_type`` that is stated, or implied by the section's place."""
        stated = self.data.get("model_type")
        return stated if isinstance(stated, str) and stated else self.implied_type

    @property
    def defaults(self) -> Mapping[str, Default]:
        """What transformers fills in for this ``model_type``."""
        return DEFAULTS.get(self.model_type, {})

    def has(self, name: str) -> bool:
        """Whether the file itself gives ``name`` a value other than null."""
        return self.data.get(name) is not None

    def raw(self, *names: str) -> tuple[str, object] | None:
        """The first of ``names`` that has a value, in the file first, then among the defaults."""
        for name in names:
            value = self.data.get(name)
            if value is not None:
                return name, value
        for name in names:
            filled = self.defaults.get(name)
            if filled is not None and name not in self.data:
                return name, filled
        return None

    def integer(self, *names: str, default: int | None = None, most: int = LARGEST_INTEGER) -> int:
        """The first present of ``names`` as an integer from 0 to ``most``; ``default`` when all are absent."""
        value = self.optional_integer(*names, most=most)
        if value is not None:
            return value
        if default is None:
            raise ConfigError(f"config.json gives no {self.path}{names[0]}")
        return default

    def optional_integer(self, *names: str, most: int = LARGEST_INTEGER) -> int | None:
        """Like ``integer``, but ``None`` when all names are absent."""
        found = self.raw(*names)
        if found is None:
            return None
        return self._checked_integer(found[0], found[1], most)

    def number(self, *names: str, default: float | None = None) -> float:
        """The first present of ``names`` as a finite number of either sign."""
        found = self.raw(*names)
        if found is None:
            if default is None:
                raise ConfigError(f"config.json gives no {self.path}{names[0]}")
            return default
        name, value = found
        if isinstance(value, bool) or not isinstance(value, int | float) or not -1e15 < value < 1e15:
            raise self._impossible(name, value, "a number")
        return float(value)

    def flag(self, *names: str, default: bool = False) -> bool:
        """The first present of ``names`` as a boolean."""
        found = self.raw(*names)
        if found is None:
            return default
        name, value = found
        if not isinstance(value, bool) and value not in (0, 1):
            raise self._impossible(name, value, "true or false")
        return bool(value)

    def raw_flag(self, name: str) -> bool:
        """Whether ``name`` holds anything true at all, such as the word ``local`` in place of true."""
        found = self.raw(name)
        return found is not None and bool(found[1])

    def text(self, *names: str, default: str = "") -> str:
        """The first present of ``names`` as a string."""
        found = self.raw(*names)
        if found is None:
            return default
        name, value = found
        if not isinstance(value, str):
            raise self._impossible(name, value, "a string")
        return value

    def sequence(self, *names: str) -> tuple[object, ...]:
        """The first present of ``names`` as a tuple; empty when absent. Items are not checked."""
        found = self.raw(*names)
        if found is None:
            return ()
        name, value = found
        if not isinstance(value, list | tuple) or len(value) > LONGEST_SEQUENCE:
            raise self._impossible(name, value, "a list of reasonable length")
        return tuple(value)

    def integers(self, *names: str) -> tuple[int, ...]:
        """The first present of ``names`` as integers; a lone integer is a list of one."""
        found = self.raw(*names)
        if found is None:
            return ()
        name, value = found
        items = value if isinstance(value, list | tuple) else (value,)
        if len(items) > LONGEST_SEQUENCE:
            raise self._impossible(name, value, "a list of reasonable length")
        return tuple(self._checked_integer(name, item, LARGEST_INTEGER) for item in items)

    def texts(self, *names: str) -> tuple[str, ...]:
        """The first present of ``names`` as strings; other items are refused."""
        items = self.sequence(*names)
        for item in items:
            if not isinstance(item, str):
                raise self._impossible(names[0], item, "a list of strings")
        return tuple(item for item in items if isinstance(item, str))

    def section(self, *names: str) -> Config:
        """The first present of ``names`` as a Config; an empty one when absent."""
        found = self.optional_section(*names)
        return Config({}, f"{self.path}{names[0]}.", self._section_type(names[0])) if found is None else found

    def optional_section(self, *names: str) -> Config | None:
        """Like ``section``, but ``None`` when all names are absent."""
        found = self.raw(*names)
        if found is None:
            return None
        name, value = found
        if not isinstance(value, Mapping):
            raise self._impossible(name, value, "a mapping")
        return Config(value, f"{self.path}{name}.", self._section_type(name))

    def layers(self, *names: str) -> int:
        """A number of layers: at least one, and few enough that listing them is cheap."""
        count = self.integer(*names, most=MOST_LAYERS)
        if count == 0:
            raise ConfigError(f"config.json gives no layers in {self.path}{names[0]}")
        return count

    def _section_type(self, name: str) -> str:
        return SECTIONS.get(self.model_type, {}).get(name, "")

    def _checked_integer(self, name: str, value: object, most: int) -> int:
        if isinstance(value, float) and 0 <= value <= most and value == int(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise self._impossible(name, value, f"an integer from 0 to {most}")
        return value

    def _impossible(self, name: str, value: object, wanted: str) -> ConfigError:
        return ConfigError(f"config.json: {self.path}{name} is {_shown(value)}, not {wanted}")


def _shown(value: object) -> str:
    if isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 10**30):
        return repr(value)[:40]
    return "huge" if isinstance(value, int) else f"a {type(value).__name__}"
