"""Maps whose keys are settings of the engine in some spelling: what they say, and where more keys would go."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field

from vram_engine.deployment import Known, LineSite, Remark, Setting, Site, TextSite, Unknown
from vram_engine.dialects.engine_settings import EngineSettings
from vram_engine.dialects.values import Invalid, read_value
from vram_engine.facts.flags import Flag, flag
from vram_engine.syntax.nodes import Alias, Entry, Mapping, Node, Scalar, resolve
from vram_engine.syntax.plain import TooLargeError, plain

_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a map spells settings: keys of its own by their setting, and how to spell any other flag as a key.

    ``style`` is the case of keys that are flags: ``snake``, ``kebab`` or ``camel``; ``""`` where only ``own`` keys are.
    """

    style: str
    own: MappingOf[str, str] = field(default_factory=dict)

    def setting(self, key: str) -> str | None:
        """The setting that a key stands for."""
        if key in self.own:
            return self.own[key]
        if not self.style:
            return None
        name = re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", key).lower().replace("_", "-")
        found = flag(name)
        return found.name if found is not None and not found.positional else None

    def key(self, name: str) -> str | None:
        """The key for a setting."""
        own = next((key for key, setting in self.own.items() if setting == name), None)
        if own is not None or not self.style:
            return own
        words = name.split("-")
        if self.style == "camel":
            return words[0] + "".join(word.capitalize() for word in words[1:])
        return ("_" if self.style == "snake" else "-").join(words)


class LineSites(dict[str, Site | None]):
    """Where keys that are not there yet would go: on a line behind the last one."""

    def __init__(self, spelling: Spelling, at: int, lead: str) -> None:
        super().__init__()
        self._spelling, self._at, self._lead = spelling, at, lead

    def __missing__(self, name: str) -> Site | None:
        key = self._spelling.key(name) if flag(name) is not None else None
        if key is None:
            raise KeyError(name)
        return LineSite(self._at, self._lead, key)


def read_keyed(text: str, node: Node | None, spelling: Spelling) -> EngineSettings:
    """The settings in a map; keys that are none are left alone."""
    holder = resolve(node)
    if not isinstance(holder, Mapping):
        return EngineSettings({}, {}, ())
    shared = isinstance(node, Alias)
    settings: dict[str, tuple[Setting, ...]] = {}
    sites = _sites(text, holder, spelling, shared=shared)
    remarks: list[Remark] = []
    for key, entry in holder.pairs():
        name = spelling.setting(key)
        known = flag(name) if name is not None else None
        value = _value(known, entry) if known is not None else None
        if name is None or known is None or value is None:
            continue
        span = entry.value.span
        if isinstance(value, Invalid):
            remarks.append(Remark("invalid-value", span, value.message))
            value = Unknown(value.message)
        settings[name] = (*settings.get(name, ()), Setting(name, value, "file", key, span=span))
        sites[name] = None if shared else scalar_site(text, entry.value)
    return EngineSettings(settings, sites, tuple(remarks))


def _sites(text: str, holder: Mapping, spelling: Spelling, *, shared: bool) -> dict[str, Site | None]:
    where = None if shared else line_behind(text, holder)
    return {} if where is None else LineSites(spelling, *where)


def line_behind(text: str, holder: Mapping) -> tuple[int, str] | None:
    """Where a line with one more key of a block map goes, and what comes before the key."""
    if holder.flow or not holder.entries:
        return None
    first, last = holder.entries[0], holder.entries[-1]
    start = max(text.rfind("\n", 0, first.key.span.start), text.rfind("\r", 0, first.key.span.start)) + 1
    before = text[start : first.key.span.start].removeprefix("\ufeff")
    if before.strip(" -"):
        return None
    end = max(last.key.span.end, last.value.span.end)
    behind = re.compile(r"[^\r\n]*").match(text, end if text[end - 1 : end] not in ("\n", "\r") else end - 1)
    at = behind.end() if behind is not None else end
    return at, ("\r\n" if "\r\n" in text else "\n") + " " * len(before)


def scalar_site(text: str, node: Node) -> TextSite | None:
    """Where a scalar is written, when it is on one line and nobody else's."""
    if not isinstance(node, Scalar) or node.style not in ("", "'", '"'):
        return None
    written = text[node.span.start : node.span.end]
    plain_or_quoted = bool(written) and written[0] not in "&!" and "\n" not in written
    return TextSite(node.span, node.style) if plain_or_quoted else None


def _value(known: Flag, entry: Entry) -> Known | Unknown | Invalid | None:
    node = resolve(entry.value)
    if not isinstance(node, Scalar):
        return _collection(known, node)
    value = node.value
    if value is None or node.text == "":
        return None
    if "{{" in node.text or "${" in node.text:
        return Unknown(f"{node.text} is filled in outside this file")
    if known.type == "bool":
        meant = value if isinstance(value, bool) else _BOOLEANS.get(str(value).lower())
        return Invalid(f"{known.name} is on or off, not {node.text!r}") if meant is None else Known(meant)
    if isinstance(value, bool):
        return Invalid(f"{known.name}: {node.text} is not a value it takes")
    read = read_value(known, str(value))
    # What is possible depends on the release, which nothing here names.
    return Unknown(read.message) if isinstance(read, Invalid) and known.choices else read


def _collection(known: Flag, node: Node | None) -> Known | Unknown | Invalid:
    if known.type in ("int", "float", "bool"):
        return Invalid(f"{known.name} takes one value, not a collection")
    try:
        return Known(json.dumps(plain(node), default=str))
    except (TooLargeError, ValueError):
        return Unknown(f"{known.name} is too large to read")


def one(setting: Setting, site: Site | None = None) -> EngineSettings:
    """A single setting."""
    return EngineSettings({setting.name: (setting,)}, {setting.name: site}, ())


NONE = EngineSettings({}, {}, ())


class _Together(dict[str, Site | None]):
    """The first place that one of several sources has for a flag that is not there yet."""

    def __init__(self, parts: tuple[EngineSettings, ...]) -> None:
        super().__init__()
        self._parts = parts

    def __missing__(self, name: str) -> Site | None:
        for part in self._parts:
            try:
                return part.sites[name]
            except KeyError:
                continue
        raise KeyError(name)


def together(*parts: EngineSettings) -> EngineSettings:
    """Several sources of settings as one, weakest first."""
    settings: dict[str, tuple[Setting, ...]] = {}
    sites = _Together(parts)
    for part in parts:
        for name, occurrences in part.settings.items():
            settings[name] = (*settings.get(name, ()), *occurrences)
            sites[name] = part.sites.get(name)
    return EngineSettings(settings, sites, tuple(remark for part in parts for remark in part.remarks))


def twice(first: EngineSettings, second: EngineSettings) -> tuple[Remark, ...]:
    """Settings that two sources give differently: what the first says has no effect."""
    return tuple(
        Remark(
            "setting-given-twice", where, f"{setting.spelling} is overridden by {other.spelling}: this has no effect"
        )
        for name, occurrences in first.settings.items()
        for setting in occurrences[-1:]
        for other in second.settings.get(name, ())[-1:]
        if setting.value != other.value and (where := setting.span) is not None
    )
