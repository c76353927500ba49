"""Which repositories of the hub say that they hold a model in fewer bits: the hub's own base-model relation."""

from __future__ import annotations

import json
from urllib.parse import quote

from vram_engine.model.reference import Unanswered
from vram_engine.sources.hub_requests import HubError, HubRequests
from vram_engine.sources.names import is_hub_id, shown

# What the hub tags a repository with, by which vLLM loads it; others (gguf, mlx, onnx ...) are for other programs.
FORMATS = frozenset({"compressed-tensors", "awq", "gptq", "fp8", "modelopt", "nvfp4", "mxfp4", "8-bit", "4-bit"})
_FOREIGN = frozenset({"gguf", "mlx", "onnx", "exl2", "exl3", "openvino", "litert", "coreml", "bitsandbytes"})

_LISTED = 30
_MOST = 6
_LONGEST_LIST = 2**20


def quantized_on_hub(requests: HubRequests) -> tuple[str, ...]:
    """Ids of quantized repositories of the model asked about, those most downloaded first; raises HubError."""
    relation = quote(f"base_model:quantized:{requests.asked.model}", safe="")
    path = f"/api/models?filter={relation}&sort=downloads&direction=-1&limit={_LISTED}"
    try:
        listed = json.loads(requests.whole(path, _LONGEST_LIST).decode("utf-8"))
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list):
        asked = requests.asked
        raise HubError(Unanswered(f"{asked.host} does not list what is made from {shown(asked.model)} as a hub does"))
    return tuple(name for each in listed[:_LISTED] if (name := _usable(each)) is not None)[:_MOST]


def _usable(row: object) -> str | None:
    """The id of a repository that vLLM may load."""
    if not isinstance(row, dict):
        return None
    name, tags = row.get("id"), row.get("tags")
    if not isinstance(name, str) or not is_hub_id(name) or not isinstance(tags, list):
        return None
    said = {tag.lower() for tag in tags if isinstance(tag, str)}
    return name if said & FORMATS and not said & _FOREIGN else None
