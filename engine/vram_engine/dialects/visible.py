"""What CUDA_VISIBLE_DEVICES leaves of the GPUs that a container was given."""

from __future__ import annotations

from vram_engine.deployment import Known, Setting
from vram_engine.dialects.container import Given
from vram_engine.dialects.variables import Variables

_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def visible_gpus(given: Given, variables: Variables) -> Given:
    """``given``, with fewer GPUs where the environment shows fewer of them."""
    chars = next((variables[name] for name in _VISIBLE if name in variables), None)
    if chars is None or chars.hole is not None or not chars.text.strip():
        return given
    shown = len(chars.text.split(","))
    counted = next((setting for setting in given.settings if setting.name == "gpus"), None)
    if counted is None or not isinstance(counted.value, Known) or not isinstance(counted.value.value, int):
        return given
    if shown >= counted.value.value or any(setting.name == "nodes" for setting in given.settings):
        return given
    kept = tuple(setting for setting in given.settings if setting.name != "gpus")
    fewer = Setting("gpus", Known(shown), "file", "CUDA_VISIBLE_DEVICES", span=chars.span)
    return Given((*kept, fewer), {**given.sites, "gpus": None})
