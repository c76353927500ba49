"""This machine's AMD GPUs, by the program that comes with their driver: amd-smi, or rocm-smi where there is no other.

vLLM asks the same library (vllm/platforms/rocm.py). Its Python binding lives in ROCm's own environment, its program on
the search path.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from vram_engine.ports import Detected, DetectedGpu
from vram_engine.sources.deadline import within
from vram_engine.sources.names import shown
from vram_engine.sources.visible_devices import visible_to_hip

_BUDGET_S = 10.0
_LONGEST_ANSWER = 4 * 2**20
_MOST_GPUS = 256
_MIB = 2**20
_UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}
_ROCM_SMI = ("--showproductname", "--showmeminfo", "vram", "--showuniqueid", "--showdriverversion", "--json")


class AmdGpus:
    """AMD's management program, if it is there; it is started, bounded in time and length, and nothing is imported."""

    def __init__(self, environment: Mapping[str, str] = os.environ, budget_s: float = _BUDGET_S) -> None:
        self._environment = environment
        self._budget_s = budget_s

    def detect(self) -> Detected:
        """GPUs, driver, and what keeps the program from answering; nothing at all where there is no program."""
        if os.name != "posix":
            return Detected()
        until = time.monotonic() + self._budget_s
        folders = os.pathsep.join((self._environment.get("PATH", ""), "/opt/rocm/bin"))
        problem = None
        for name, read in (("amd-smi", _amd_smi), ("rocm-smi", _rocm_smi)):
            program = shutil.which(name, path=folders)
            if program is None:
                continue
            gpus, driver = read(partial(_answer, program, until))
            if gpus:
                return Detected(visible_to_hip(gpus, self._environment), driver)
            problem = (
                f"{name} lists no GPU: check that the amdgpu driver is loaded and that you are in the groups "
                "render and video"
            )
        return Detected(problem=problem)


def _answer(program: str, until: float, *words: str) -> Any:
    """What the program prints as JSON; None where it fails, takes too long or prints anything else."""
    try:
        # A session of its own, so that what the program starts ends with it and nobody holds the pipe.
        process = subprocess.Popen(
            [program, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None
    try:
        return json.loads(within(max(0.0, until - time.monotonic()), partial(_start_of, process)))
    except (TimeoutError, OSError, ValueError, RecursionError):
        return None
    finally:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _start_of(process: subprocess.Popen[bytes]) -> bytes:
    """What a program prints, as far as is read."""
    assert process.stdout is not None
    with process.stdout as printed:
        return printed.read(_LONGEST_ANSWER)


def _amd_smi(ask: Callable[..., Any]) -> tuple[tuple[DetectedGpu, ...], str | None]:
    """The GPUs by amd-smi, which speaks of memory in binary units."""
    known = _by_number(ask("static", "--asic", "--vram", "--driver", "--json"))
    used = _by_number(ask("metric", "--mem-usage", "--json")) if known else {}
    listed = _by_number(ask("list", "--json")) if known else {}
    gpus = (_amd_gpu(number, known[number], used.get(number), listed.get(number)) for number in sorted(known))
    driver = next((_at(each, "driver", "version") for each in known.values()), None)
    return tuple(gpu for gpu in gpus if gpu is not None), _text(driver)


def _by_number(answer: Any) -> dict[int, Mapping[str, Any]]:
    """The rows of an answer by the GPU's number; newer programs wrap the list of them."""
    rows = answer.get("gpu_data") if isinstance(answer, dict) else answer
    if not isinstance(rows, list):
        return {}
    found = ((row.get("gpu"), row) for row in rows[:_MOST_GPUS] if isinstance(row, dict))
    return {number: row for number, row in found if type(number) is int and 0 <= number < _MOST_GPUS}


def _amd_gpu(number: int, static: Any, metric: Any, listed: Any) -> DetectedGpu | None:
    name = _text(_at(static, "asic", "market_name"))
    total = _size(_at(static, "vram", "size")) or _size(_at(metric, "mem_usage", "total_vram"))
    if name is None or total is None:
        return None
    used = _size(_at(metric, "mem_usage", "used_vram"))
    return DetectedGpu(number, name, total, _left(total, used), None, uuid=_text(_at(listed, "uuid")))


def _size(value: Any) -> int | None:
    """Bytes of ``{"value": 196592, "unit": "MB"}``, or of a bare number of MB."""
    unit = _UNITS.get(str(_at(value, "unit"))) if isinstance(value, dict) else _MIB
    number = _at(value, "value") if isinstance(value, dict) else value
    if type(number) is not int or unit is None or not 0 <= number * unit < 2**53:
        return None
    return number * unit


def _left(total: int, used: int | None) -> int:
    """What is free; all of it where the program does not say what is used."""
    return max(0, total - (used or 0))


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str | None:
    return shown(value) if isinstance(value, str) and value not in ("", "N/A") else None


def _rocm_smi(ask: Callable[..., Any]) -> tuple[tuple[DetectedGpu, ...], str | None]:
    """The GPUs by rocm-smi: ``card0`` and its kin, with texts that releases spell with and without capitals."""
    answer = ask(*_ROCM_SMI)
    if not isinstance(answer, dict):
        return (), None
    rows = {key: _lowered(row) for key, row in list(answer.items())[:_MOST_GPUS] if isinstance(row, dict)}
    return tuple(_rocm_gpus(rows)), _text(rows.get("system", {}).get("driver version"))


def _rocm_gpus(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[DetectedGpu]:
    cards = {int(key[4:]): row for key, row in rows.items() if re.fullmatch(r"card\d{1,3}", key, re.ASCII)}
    for number in sorted(cards):
        row = cards[number]
        # Some releases keep the product's name under the one, some under the other.
        names = (_text(row.get(key)) for key in ("card series", "card model"))
        name = next((each for each in names if each is not None and not each.startswith("0x")), None)
        total, used = _count(row.get("vram total memory (b)")), _count(row.get("vram total used memory (b)"))
        if name is not None and total is not None:
            yield DetectedGpu(number, name, total, _left(total, used), None, uuid=_uuid(row.get("unique id")))


def _lowered(row: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key).lower(): value for key, value in row.items()}


def _uuid(value: Any) -> str | None:
    """The unique id as ROCR_VISIBLE_DEVICES wants it: ``GPU-`` and sixteen digits."""
    number = _text(value)
    return None if number is None else "GPU-" + number.lower().removeprefix("0x").rjust(16, "0")


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) <= 16 else None
