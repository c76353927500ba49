"""Refusals about CUDA graphs (vllm/config/vllm.py, ``_set_cudagraph_sizes``; vllm/engine/arg_utils.py)."""

from __future__ import annotations

import json
import re

from vram_engine.deployment import Known
from vram_engine.refusals.case import Case, whole

_OF_SIZES = {"cudagraph_capture_sizes", "max_cudagraph_capture_size"}
SEVERAL = ("cudagraph-capture-sizes", "max-cudagraph-capture-size")
_NUMBERS = re.compile(r"\d{1,9}(?:[ ,]+\d{1,9})*", re.ASCII)
_LONGEST = 2**14


def said_twice(case: Case) -> str | None:
    """The same size as an option and inside ``--compilation-config``."""
    compilation = case.mapping("compilation-config") or {}
    for name in SEVERAL:
        key = name.replace("-", "_")
        if case.says(name) and key in compilation:
            return f"vLLM refuses {name} together with {key} in compilation-config: say it once"
    return None


def sizes_disagree(case: Case) -> str | None:
    """A largest size that is not the largest of the sizes that fit a step."""
    sizes, most = _asked_for(case)
    tokens = case.integer("max-num-batched-tokens") if case.says("max-num-batched-tokens") else None
    if not sizes or most is None or case.switch("enforce-eager") is not False:
        return None
    # Sizes above a step are dropped first; only where the step is not known may the largest be one of them.
    if tokens is None and max(sizes) > _SMALLEST_STEP:
        return None
    largest = max((size for size in sizes if tokens is None or size <= tokens), default=0)
    if most == largest:
        return None
    return f"vLLM refuses max-cudagraph-capture-size {most}: the largest of cudagraph-capture-sizes is {largest}"


def _asked_for(case: Case) -> tuple[tuple[int, ...] | None, int | None]:
    """The sizes and the largest, as options or inside ``--compilation-config`` where that says nothing else."""
    sizes, most = capture_sizes(case), case.integer("max-cudagraph-capture-size")
    if not case.says("compilation-config"):
        return sizes, most
    asked = case.mapping("compilation-config") or {}
    if not asked or said_twice(case) is not None or not asked.keys() <= _OF_SIZES:
        return None, None
    listed = asked.get("cudagraph_capture_sizes")
    return whole_numbers(listed) if listed is not None else sizes, whole(asked, "max_cudagraph_capture_size") or most


# No default of max_num_batched_tokens is below.
_SMALLEST_STEP = 256


def capture_sizes(case: Case) -> tuple[int, ...] | None:
    """``--cudagraph-capture-sizes``, as a YAML list or as words."""
    setting = case.deployment.effective("cudagraph-capture-sizes")
    if setting is None or not isinstance(setting.value, Known):
        return None
    text = str(setting.value.value).strip()
    if len(text) > _LONGEST:
        return None
    if _NUMBERS.fullmatch(text):
        return tuple(int(number) for number in re.split(r"[ ,]+", text))
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return whole_numbers(read)


def whole_numbers(listed: object) -> tuple[int, ...] | None:
    """A list of whole numbers."""
    if not isinstance(listed, list) or not all(isinstance(each, int) and not isinstance(each, bool) for each in listed):
        return None
    return tuple(listed)
