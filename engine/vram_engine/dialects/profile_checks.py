"""A profile held to its schema: what is valid in it, and remarks about the rest in our own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vram_engine.deployment import Remark
from vram_engine.dialects.profile_keys import PATHS, SECTIONS
from vram_engine.dialects.spelling import closest
from vram_engine.syntax.nodes import Node
from vram_engine.syntax.route import Place, Route, entry_at

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


@dataclass(frozen=True, slots=True)
class Checked:
    """A profile after its schema: values as the schema reads them, by the sections and names of the schema.

    ``given`` is what of the file was valid, ``wrong`` the places that were not: what they set is unknown.
    """

    values: dict[str, Any]
    given: dict[str, Any]
    wrong: tuple[Route, ...]
    remarks: tuple[Remark, ...]


def checked(root: Node | None, given: dict[str, Any], number: int) -> Checked:
    """``given``, the values of a document, held to the schema; what offends is taken out, and the rest read."""
    from pydantic import ValidationError

    from vram_engine.dialects.profile_schema import Profile

    remarks: list[Remark] = []
    # Taking out what offends can leave nothing but valid values; the second look reads them.
    for _ in range(2):
        try:
            return Checked(Profile.model_validate(given).model_dump(), given, _places(remarks), tuple(remarks))
        except ValidationError as error:
            for details in error.errors(include_url=False):
                remarks.append(_remark(root, details, number))
                _drop(given, details["loc"])
    return Checked(Profile(profile_version=1).model_dump(), {}, _places(remarks), tuple(remarks))


def _places(remarks: list[Remark]) -> tuple[Route, ...]:
    """Where values are wrong; a profile that is wrong as a whole is nowhere in particular."""
    places = (remark.place for remark in remarks if remark.kind == "invalid-value")
    return tuple(place.route for place in places if isinstance(place, Place) and place.route)


def _remark(root: Node | None, details: ErrorDetails, number: int) -> Remark:
    route = _existing(root, tuple(details["loc"]))
    if details["type"] == "extra_forbidden":
        return _unknown_key(str(details["loc"][-1]), route, number)
    message = f"{'.'.join(map(str, route)) or 'the profile'}: {_in_words(details)}"
    return Remark("invalid-value", Place(number, route), message, _closest_choice(details))


def _unknown_key(key: str, route: Route, number: int) -> Remark:
    known = _known_keys(route[:-1])
    where = ".".join(map(str, route[:-1])) or "the profile"
    place = Place(number, route, "key")
    if key in known:
        return Remark("unknown-key", place, f"{key} says again what another key of {where} says: keep one of them")
    close = closest(key.replace("-", "_"), known)
    hint = f"; did you mean {close}?" if close else ""
    return Remark("unknown-key", place, f"{key} is not a key of {where}{hint}", close)


# pydantic's words for a mistake -> ours.
_WORDS = {
    "model_type": "expected keys and values below it",
    "dict_type": "expected keys and values below it",
    "list_type": "expected a list",
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
}


def _in_words(details: ErrorDetails) -> str:
    if details["type"] == "literal_error":
        close = _closest_choice(details)
        hint = f"; did you mean {close}?" if close else ""
        return f"{details['input']!r} is not one of {details['ctx']['expected']}{hint}"
    if details["type"] in _WORDS:
        return f"{_WORDS[details['type']]}, not {str(details['input'])[:40]!r}"
    message = details["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"expected {message}" if message != details["msg"] and "expected" not in message else message


def _closest_choice(details: ErrorDetails) -> str | None:
    if details["type"] != "literal_error":
        return None
    choices = [choice.strip(" '") for choice in details["ctx"]["expected"].replace(" or ", ", ").split(",")]
    return closest(str(details["input"]), choices)


def _known_keys(section: Route) -> list[str]:
    if not section:
        return ["profile_version", *SECTIONS]
    inside = [path[-1] for paths in PATHS.values() for path in paths if path[:1] == section[:1]]
    extra = {"workload": ["streaming"], "outputs": ["emit", "vllm_args"]}
    return [str(key) for key in inside] + extra.get(str(section[0]), [])


def _existing(root: Node | None, loc: tuple[str | int, ...]) -> Route:
    """The longest part of pydantic's location that is in the file."""
    for end in range(len(loc), 0, -1):
        if entry_at(root, loc[:end]) is not None:
            return loc[:end]
    return ()


def _drop(given: dict[str, Any], loc: tuple[str | int, ...]) -> None:
    holder: Any = given
    for step in loc[:-1]:
        inner = holder.get(step) if isinstance(holder, dict) else None
        if not isinstance(inner, dict):
            break
        holder = inner
    else:
        holder.pop(loc[-1], None)
        return
    holder.pop(loc[0], None)
