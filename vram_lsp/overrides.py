"""What a program asks to try instead of what a file says: values of a few settings, read as vLLM reads its flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vram_engine.deployment import Known, Scalar, Setting
from vram_engine.dialects.values import Invalid, read_value
from vram_engine.facts.flags import flag
from vram_engine.facts.gpus import GpuMatch, find_gpu, suggest_gpus

# vLLM's flags that can be tried, and settings of our own, as JSON spells both.
FLAGS = (
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "max_model_len",
    "max_num_seqs",
    "max_num_batched_tokens",
    "gpu_memory_utilization",
    "kv_cache_dtype",
    "quantization",
)
COUNTS = ("gpus", "concurrency")
GPU = "gpu"
NAMES = (*FLAGS, *COUNTS, GPU)

_MOST = 2**53


class OverrideError(ValueError):
    """An override that cannot be tried; the message says what would do."""


def read_overrides(values: Any) -> dict[str, Scalar]:
    """Settings by name from a JSON object; null takes an override back. Raises OverrideError."""
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise OverrideError("overrides must be an object")
    return {str(name).replace("_", "-"): _read(str(name), value) for name, value in values.items() if value is not None}


def settings_of(overrides: Mapping[str, Scalar]) -> tuple[Setting, ...]:
    """Overrides as settings of the strongest authority."""
    return tuple(Setting(name, Known(value), "argument", name) for name, value in overrides.items())


def _read(name: str, value: Any) -> Scalar:
    if name in FLAGS:
        return _flag(name, value)
    if name in COUNTS:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MOST:
            raise OverrideError(f"{name} must be a whole number above 0")
        return value
    if name == GPU:
        return _gpu(value)
    raise OverrideError(f"{name} cannot be overridden; these can: {', '.join(NAMES)}")


def _flag(name: str, value: Any) -> Scalar:
    row = flag(name.replace("_", "-"))
    if row is None or isinstance(value, bool) or not isinstance(value, str | int | float):
        raise OverrideError(f"{name} must be a number or a string")
    try:
        read = read_value(row, str(value))
    except ValueError as error:
        raise OverrideError(f"{name} cannot be read") from error
    if isinstance(read, Invalid):
        raise OverrideError(read.message)
    if not isinstance(read, Known):
        raise OverrideError(f"{name} needs a value")
    return read.value


def _gpu(value: Any) -> Scalar:
    match = find_gpu(value) if isinstance(value, str) else None
    if isinstance(match, GpuMatch):
        return match.gpu.id
    close = suggest_gpus(value) if isinstance(value, str) else ()
    hint = f"; did you mean {close[0]}?" if close else ""
    raise OverrideError(f"gpu must name one GPU of the catalogue{hint}")
