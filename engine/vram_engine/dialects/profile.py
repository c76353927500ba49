"""The profile (``profile_version: 1``): vram-lsp's own description of a deployment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vram_engine.deployment import Deployment, Known, MapSite, Remark, Scalar, Setting, Site
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.flag_map import FlagMap, read_flag_map
from vram_engine.dialects.spelling import closest
from vram_engine.syntax.nodes import Document, Node, Tree, resolve
from vram_engine.syntax.nodes import Mapping as MappingNode
from vram_engine.syntax.nodes import Scalar as ScalarNode
from vram_engine.syntax.plain import Plain, TooLargeError, plain
from vram_engine.syntax.route import Place, Route, entry_at

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
    remarks = _validate(document.root, given, number)
    settings: dict[str, tuple[Setting, ...]] = {}
    sites: dict[str, Site | None] = {}
    for name, paths in PATHS.items():
        occurrences = tuple(_occurrences(document.root, given, name, paths, number))
        if occurrences:
            settings[name] = occurrences
        sites[name] = MapSite(number, _home(document.root, paths), WRITTEN_AS)
    flags = _passed_on(document.root, number)
    for name, passed in flags.settings.items():
        settings[name] = (*settings.get(name, ()), *passed)
        sites[name] = flags.sites[name]
    name = str(_value_at(given, ("model", "id")) or "profile")
    return (Deployment("profile", name, number, settings, sites, (*remarks, *flags.remarks)),)


def _without_nulls(values: dict[str, Plain]) -> dict[str, Any]:
    """A key without a value yet counts as left out."""
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value is not None
    }


def _validate(root: Node | None, given: dict[str, Any], number: int) -> tuple[Remark, ...]:
    """What the schema has against ``given``; the offending values are taken out of it."""
    from pydantic import ValidationError

    from vram_engine.dialects.profile_schema import Profile

    try:
        Profile.model_validate(given)
    except ValidationError as error:
        remarks = tuple(_remark(root, details, number) for details in error.errors(include_url=False))
        for details in error.errors(include_url=False):
            _drop(given, details["loc"])
        return remarks
    return ()


def _remark(root: Node | None, details: ErrorDetails, number: int) -> Remark:
    route = _existing(root, tuple(details["loc"]))
    if details["type"] == "extra_forbidden":
        key = str(details["loc"][-1])
        close = closest(key.replace("-", "_"), _known_keys(route[:-1]))
        hint = f"; did you mean {close}?" if close else ""
        message = f"{key} is not a key of {'.'.join(map(str, route[:-1])) or 'the profile'}{hint}"
        return Remark("unknown-key", Place(number, route, "key"), message, close)
    message = f"{'.'.join(map(str, route))}: {_in_words(details)}"
    return Remark("invalid-value", Place(number, route), message, _closest_choice(details))


def _in_words(details: ErrorDetails) -> str:
    if details["type"] == "literal_error":
        close = _closest_choice(details)
        hint = f"; did you mean {close}?" if close else ""
        return f"{details['input']!r} is not one of {details['ctx']['expected']}{hint}"
    message = details["msg"].removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}"


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
    root: Node | None, given: dict[str, Any], name: str, paths: tuple[Route, ...], number: int
) -> Iterator[Setting]:
    if name in DEFAULTS:
        yield Setting(name, Known(DEFAULTS[name]), "default")
    for path in paths:
        value = _value_at(given, path)
        entry = entry_at(root, path)
        if value is None or entry is None or (name, value) in _SAYS_NOTHING:
            continue
        place = Place(number, path)
        yield Setting(name, Known(_canonical(name, value)), "file", str(path[-1]), place, entry.value.span)


def _canonical(name: str, value: Scalar) -> Scalar:
    from vram_engine.dialects.values import human_int

    if name == "gpu-memory-bytes":
        return round(float(value) * 2**30)
    if name == "max-model-len" and isinstance(value, str):
        return human_int(value)
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
