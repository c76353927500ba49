"""LoRA adapters that a deployment loads when it starts, by their adapter_config.json: what vLLM refuses of them.

``--lora-modules`` are loaded before the server answers, and one that is refused ends it (``init_static_loras`` of
vllm/entrypoints/openai/models). Adapters that are not known are not judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from vram_engine.deployment import Adapter, Deployment, Unknown
from vram_engine.facts.versions import NEWEST, Version, parse_version
from vram_engine.lent import FileRef, FilesKnown, LentFile

CONFIG = "adapter_config.json"
# More than these are not looked into while somebody types.
_MOST_ADAPTERS = 64


def adapter_files(deployment: Deployment) -> Mapping[str, FileRef]:
    """The file that describes each adapter, by the adapter's name in the text."""
    setting = deployment.effective("lora-modules")
    if setting is None or isinstance(setting.value, Unknown) or not deployment.is_on("enable-lora"):
        return {}
    named = list(_named(setting.value.value))[:_MOST_ADAPTERS]
    found = {name: _outside(deployment, path) for name, path in named}
    return {name: FileRef(f"{path.rstrip('/')}/{CONFIG}") for name, path in found.items() if path is not None}


def with_adapters(deployment: Deployment, files: FilesKnown) -> Deployment:
    """The deployment with the adapter of the largest rank among those that are known."""
    version = parse_version(deployment.text("vllm-version") or "") or NEWEST
    known = ((name, files.get(ref)) for name, ref in adapter_files(deployment).items())
    ranks = ((name, rank_of(lent.text, version)) for name, lent in known if isinstance(lent, LentFile))
    found = (Adapter(name, rank) for name, rank in ranks if rank is not None)
    return replace(deployment, adapter=max(found, key=lambda each: each.rank, default=None))


def rank_of(text: str, version: Version) -> int | None:
    """The rank of an adapter, by its adapter_config.json; None where it says none that vLLM could read."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(config, dict) or not _is_rank(config.get("r")):
        return None
    single = config.get("rank_pattern") if version >= _RANKS_OF_LAYERS_SINCE else None
    ranks = single.values() if isinstance(single, dict) else ()
    return max(int(rank) for rank in (config["r"], *ranks) if _is_rank(rank))


# From here on the ranks that single layers have count too.
_RANKS_OF_LAYERS_SINCE = Version(0, 32, 0)


def _is_rank(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**31


def _named(value: object) -> Iterator[tuple[str, str]]:
    """Names and paths: ``name=path``, JSON objects, or a list of either as JSON."""
    told = _json(value)
    for each in told if isinstance(told, list) else [told]:
        item = _json(each)
        if isinstance(item, dict):
            name, path = item.get("name"), item.get("path")
        elif isinstance(item, str):
            name, _, path = item.partition("=")
        else:
            continue
        if isinstance(name, str) and isinstance(path, str) and name and path:
            yield name, path


def _json(value: object) -> object:
    """A JSON text as what it says, anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _outside(deployment: Deployment, path: str) -> str | None:
    """A path outside the container; an id of the hub is the same inside and outside."""
    found = deployment.outside(path)
    is_id = path.count("/") == 1 and not path.startswith(("/", ".", "~"))
    return path if found is None and is_id else found
