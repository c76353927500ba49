"""The profile (``profile_version: 1``): vram-lsp's own description of a deployment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vram_engine.deployment import Deployment, Known, MapSite, Remark, Scalar, Setting, Site, Unknown
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.flag_map import FlagMap, read_flag_map
from vram_engine.dialects.spelling import closest
from vram_engine.syntax.nodes import Document, Node, Tree, resolve
from vram_engine.syntax.nodes import Mapping as MappingNode
from vram_engine.syntax.nodes import Scalar as ScalarNode
from vram_engine.syntax.plain import Plain, TooLargeError, plain
from vram_engine.syntax.route import Place, Route, entry_at, node_at

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SECTIONS = ("model", "hardware", "workload", "policy", "outputs")

# Canonical setting -> where the profile keeps it, in each of its spellings.
PATHS: Mapping[str, tuple[Route, ...]] = {
    "model": (("model", "id"),),
    "revision": (("model", "revision"),),
    "dtype": (("model", "dtype"),),
    "quantization": (("model", "quantization"),),
    "kv-cache-dtype": (("model", "kv_cache_dtype"),),
    "max-model-len": (("model", "max_model_len"),),
    "params-b": (("model", "params_b"),),
    "gpu": (("hardware", "gpu_name"), ("hardware", "gpu")),
    "gpus": (("hardware", "gpus"),),
    "gpu-memory-bytes": (("hardware", "vram_gb"),),
    "interconnect": (("hardware", "interconnect"),),
    "tensor-parallel-size": (("hardware", "tp_size"), ("hardware", "tensor_parallel_size")),
    "prompt-tokens": (("workload", "prompt_tokens"),),
    "gen-tokens": (("workload", "gen_tokens"),),
    "concurrency": (("workload", "concurrency"),),
    "mode": (("workload", "mode"),),
    "gpu-memory-utilization": (("policy", "gpu_memory_utilization"),),
    "overhead-gib": (("policy", "overhead_gb"),),
    "fragmentation-factor": (("policy", "fragmentation_factor"),),
    "headroom-gib": (("policy", "headroom_gb"),),
    "estimator": (("policy", "estimator"),),
}

# What the profile assumes where it says nothing: weaker than any fact, but its own.
DEFAULTS: Mapping[str, Scalar] = {
    "gpus": 1,
    "prompt-tokens": 512,
    "gen-tokens": 256,
    "concurrency": 1,
    "mode": "balanced",
    "gpu-memory-utilization": 0.90,
    "headroom-gib": 1.0,
}

# The profile's short names -> vLLM's.
READ_AS = {
    "fp16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
    "fp32": "float32",
    "float": "float32",
    "fp8_e4m3fn": "fp8_e4m3",
}
WRITTEN_AS = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "fp8_e4m3": "fp8_e4m3fn"}

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
    checked = _checked(document.root, given, number)
    settings: dict[str, tuple[Setting, ...]] = {}
    sites: dict[str, Site | None] = {}
    for name, paths in PATHS.items():
        occurrences = tuple(_occurrences(document.root, checked, name, paths, number))
        if occurrences:
            settings[name] = occurrences
        sites[name] = MapSite(number, _home(document.root, paths), WRITTEN_AS)
    flags = _passed_on(document.root, number)
    for name, passed in flags.settings.items():
        settings[name] = (*settings.get(name, ()), *passed)
        sites[name] = flags.sites[name]
    name = str(_value_at(checked.values, ("model", "id")) or "profile")
    return (Deployment("profile", name, number, settings, sites, (*checked.remarks, *flags.remarks)),)


def _without_nulls(values: dict[str, Plain]) -> dict[str, Any]:
    """A key without a value yet counts as left out."""
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value is not None
    }


@dataclass(frozen=True, slots=True)
class _Checked:
    """A profile after its schema: values as the schema reads them, by the sections and names of the schema.

    ``given`` is what of the file was valid, ``wrong`` the places that were not: what they set is unknown.
    """

    values: dict[str, Any]
    given: dict[str, Any]
    wrong: tuple[Route, ...]
    remarks: tuple[Remark, ...]


def _checked(root: Node | None, given: dict[str, Any], number: int) -> _Checked:
    """``given`` held to the schema; what offends is taken out, and the rest read."""
    from pydantic import ValidationError

    from vram_engine.dialects.profile_schema import Profile

    remarks: list[Remark] = []
    # Taking out what offends can leave nothing but valid values; the second look reads them.
    for _ in range(2):
        try:
            return _Checked(Profile.model_validate(given).model_dump(), given, _places(remarks), tuple(remarks))
        except ValidationError as error:
            for details in error.errors(include_url=False):
                remarks.append(_remark(root, details, number))
                _drop(given, details["loc"])
    return _Checked(Profile(profile_version=1).model_dump(), {}, _places(remarks), tuple(remarks))


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


def _occurrences(
    root: Node | None, checked: _Checked, name: str, paths: tuple[Route, ...], number: int
) -> Iterator[Setting]:
    if name in DEFAULTS:
        yield Setting(name, Known(DEFAULTS[name]), "default")
    for path in paths:
        place = Place(number, path)
        if any(path[: len(wrong)] == wrong for wrong in checked.wrong):
            yield Setting(name, Unknown(f"{'.'.join(map(str, path))} has no valid value"), "file", str(path[-1]), place)
            return
        value = _value_at(checked.values, paths[0])
        node = node_at(root, path)
        if value is None or node is None or path[-1] not in _section(checked.given, path):
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
