"""A YAML map whose keys are long flags of vLLM, read as vLLM's own config loader turns it into arguments.

Each key becomes ``--key``; ``true`` stands alone, ``false`` becomes ``--no-key`` only where that exact option exists
(so a snake_case key set to false says nothing), anything else is passed on as text (vllm/utils/argparse_utils.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from vram_engine.deployment import Known, MapSite, Remark, Setting, Site, Unknown
from vram_engine.dialects.argv import json_part
from vram_engine.dialects.values import Invalid, read_value
from vram_engine.facts.flags import Ambiguous, Flag, resolve_flag, suggest_flags
from vram_engine.syntax.nodes import Entry, Node, Scalar, resolve
from vram_engine.syntax.nodes import Mapping as MappingNode
from vram_engine.syntax.plain import TooLargeError, plain
from vram_engine.syntax.route import Place, Route, node_at


@dataclass(frozen=True, slots=True)
class FlagMap:
    """What a map of flags says."""

    settings: dict[str, tuple[Setting, ...]]
    sites: dict[str, Site | None]
    remarks: tuple[Remark, ...]


class _Sites(dict[str, Site | None]):
    """Where flags that the map does not have yet would go: beside the others, in their spelling."""

    def __init__(self, number: int, route: Route, snake: bool) -> None:
        super().__init__()
        self._home = (number, route, snake)

    def __missing__(self, name: str) -> MapSite:
        number, route, snake = self._home
        return MapSite(number, (*route, name.replace("-", "_") if snake else name))


def read_flag_map(root: Node | None, number: int, route: Route) -> FlagMap:
    """The settings in the map at ``route`` of document ``number``."""
    holder = node_at(root, route)
    # Of equal keys PyYAML keeps the last, where the first one stood.
    entries = list(dict(holder.merged_pairs()).items()) if isinstance(holder, MappingNode) else []
    sites = _Sites(number, route, _prefers_snake([key for key, _ in entries]))
    settings: dict[str, tuple[Setting, ...]] = {}
    remarks: list[Remark] = []
    for key, entry in entries:
        place = Place(number, (*route, key))
        for said in _read_entry(key, entry, place):
            if isinstance(said, Remark):
                remarks.append(said)
            else:
                settings[said.name] = (*settings.get(said.name, ()), said)
                sites[said.name] = MapSite(number, place.route)
    return FlagMap(settings, sites, tuple(remarks))


def _prefers_snake(keys: list[str]) -> bool:
    return any("_" in key for key in keys) and not any("-" in key for key in keys)


def _read_entry(key: str, entry: Entry, place: Place) -> Iterator[Setting | Remark]:
    flag, negated = flag_of_key(key)
    if flag is None:
        yield _unknown_key(key, place)
        return
    if isinstance(flag, Ambiguous):
        names = ", ".join(flag.candidates)
        at_key = Place(place.document, place.route, "key")
        yield Remark("unknown-key", at_key, f"{key} could be {names}: vLLM refuses an ambiguous option")
        return
    node = resolve(entry.value)
    if isinstance(node, Scalar):
        yield from _dropped(flag, key, node, place)
        yield from _rewritten(flag, key, node, place)
    value = _boolean(flag, key, node, negated) if flag.type == "bool" else _value(flag, key, node)
    if isinstance(value, Invalid):
        yield Remark("invalid-value", place, value.message, value.instead)
        yield Setting(flag.name, Unknown(value.message), "file", key, place, entry.value.span)
    elif value is not None:
        yield Setting(flag.name, value, "file", key, place, entry.value.span)


def flag_of_key(key: str) -> tuple[Flag | Ambiguous | None, bool]:
    """The flag a key stands for, as argparse would find it, and whether the key is its ``no-`` form."""
    name = key.partition(".")[0].replace("_", "-")
    flag = resolve_flag(name)
    if flag is None and name.startswith("no-"):
        negated = resolve_flag(name.removeprefix("no-"))
        if isinstance(negated, Flag) and negated.has_no_form:
            return negated, True
    return flag, False


def _unknown_key(key: str, place: Place) -> Remark:
    close = suggest_flags(key.replace("_", "-"))
    hint = f"; did you mean {close[0]}?" if close else ""
    instead = close[0].replace("-", "_") if close and "_" in key else (close[0] if close else None)
    return Remark("unknown-key", Place(place.document, place.route, "key"), f"vLLM has no option {key}{hint}", instead)


def _boolean(flag: Flag, key: str, node: Node | None, negated: bool) -> Known | Invalid | None:
    value = node.value if isinstance(node, Scalar) else "a collection"
    if value is True:
        return Known(not negated)
    if value is False:
        # vLLM writes --no-KEY with the key as spelled, and drops it where that is not an option.
        return Known(False) if flag.has_no_form and not negated and "_" not in key else None
    if value is None:
        return None
    text = str(value).lower()
    return Invalid(
        f"{key} is a switch: write true or false without quotes", text if text in ("true", "false") else None
    )


def _dropped(flag: Flag, key: str, node: Scalar, place: Place) -> Iterator[Remark]:
    """A switch that false does not reach, where it is not off by itself."""
    if flag.type == "bool" and node.value is False and "_" in key and flag.has_no_form and flag.default is not False:
        kebab = key.replace("_", "-")
        message = f"vLLM drops {key}: false, because --no-{key} is no option of its parser; {kebab}: false is"
        yield Remark("boolean-has-no-effect", place, message, kebab)


def _rewritten(flag: Flag, key: str, node: Scalar, place: Place) -> Iterator[Remark]:
    """A number that YAML 1.1 reads as another one."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float) or node.style:
        return
    plainly = node.text.replace("_", "").lstrip("+")
    as_text = flag.type not in ("int", "float") and str(value) != node.text
    if as_text or (isinstance(value, int) and plainly != str(value)):
        message = f"YAML reads {key}: {node.text} as {value}, and that is what vLLM gets"
        yield Remark("yaml-rewrites-number", place, message, f'"{node.text}"', node.span)


def _value(flag: Flag, key: str, node: Node | None) -> Known | Unknown | Invalid | None:
    if not isinstance(node, Scalar):
        return _collection(flag, key, node)
    value = node.value
    if value is None:
        return None if node.text == "" or flag.nullable else read_value(flag, "None")
    if isinstance(value, bool):
        return Invalid(f"{key} needs {_article(flag)}, not {str(value).lower()}")
    return _part(flag, key, str(value)) if "." in key else read_value(flag, str(value))


def _part(flag: Flag, key: str, text: str) -> Known | Invalid:
    """``config.part: value`` is a part of the flag's JSON, where it has any."""
    if "json" not in flag.type:
        return Invalid(f"{key}: {flag.name} has no parts")
    return Known(json.dumps(json_part(key, text)))


def _article(flag: Flag) -> str:
    return {"int": "a whole number", "float": "a number"}.get(flag.type, "a value")


def _collection(flag: Flag, key: str, node: Node | None) -> Known | Unknown | Invalid | None:
    """A map becomes JSON and a list several words; a number or a name can be neither."""
    if flag.type in ("int", "float"):
        return Invalid(f"{key} needs {_article(flag)}, not a collection")
    try:
        return Known(json.dumps(plain(node), default=str))
    except (TooLargeError, ValueError):
        return Unknown(f"{key} is too large to read")
