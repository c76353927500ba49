"""The files beside a config.json in which old GPTQ and AWQ repositories say how their weights are quantized.

vLLM reads them where config.json says nothing and ``--quantization`` asks for the method: by the ends of their names,
and not where several match (vllm/model_executor/model_loader/weight_utils.py, ``get_quant_config``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from vram_engine.model.spec import Unavailable

# More files of such names than this are not read.
_MOST_FILES = 4


class Reading(NamedTuple):
    """What one ``--quantization`` reads: its method, and the ends of the names of its files."""

    method: str
    endings: tuple[str, ...]


_GPTQ = Reading("gptq", ("quantize_config.json",))
_AWQ = Reading("awq", ("quantize_config.json", "quant_config.json"))

# ``get_config_filenames`` of the methods (model_executor/layers/quantization/auto_gptq.py, auto_awq.py).
READINGS: Mapping[str, Reading] = MappingProxyType(
    {
        "gptq": _GPTQ,
        "gptq_marlin": _GPTQ,
        "auto_gptq": _GPTQ,
        "awq": _AWQ,
        "awq_marlin": _AWQ,
        "auto_awq": _AWQ,
    }
)


def quantize_files(names: Iterable[str]) -> tuple[str, ...]:
    """Those of a folder's file names that one of the methods would read, the first few of them."""
    return tuple(sorted(name for name in names if "/" not in name and name.endswith(_AWQ.endings)))[:_MOST_FILES]


def section_of(
    reading: Reading, files: Mapping[str, Mapping[str, object]]
) -> Mapping[str, object] | Unavailable | None:
    """The quantization section that a method reads from ``files`` by name; None where there is none."""
    matching = [name for name in files if name.endswith(reading.endings)]
    if len(matching) > 1:
        return Unavailable(f"vLLM refuses several files for quantization {reading.method}: {', '.join(matching)[:200]}")
    return {**files[matching[0]], "quant_method": reading.method} if matching else None
