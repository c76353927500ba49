"""This machine's GPUs through NVML. pynvml is imported when asked, so that a laptop without a GPU starts as fast."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vram_engine.ports import Detected, DetectedGpu
from vram_engine.sources.visible_devices import visible

_MEMORY_OF_THE_SYSTEM = Path("/proc/meminfo")
_MIG_ON = 1
_GIB = 2**30


class NvmlGpus:
    """NVIDIA's management library, if a driver is there."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment

    def gpus(self) -> tuple[DetectedGpu, ...]:
        """The GPUs that a program started here could use; empty where there are none or no driver answers."""
        return self.detect().gpus

    def detect(self) -> Detected:
        """GPUs, driver, and what keeps the driver from answering; nothing at all where there is no driver."""
        try:
            import pynvml
        except ImportError:
            return Detected()
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            return Detected(problem=_problem(pynvml, error))
        except OSError:
            return Detected()
        try:
            return Detected(
                visible(tuple(_gpus(pynvml)), self._environment), _text(_ask(pynvml.nvmlSystemGetDriverVersion))
            )
        except pynvml.NVMLError as error:
            return Detected(problem=_problem(pynvml, error))
        finally:
            _ask(pynvml.nvmlShutdown)


def _problem(pynvml: Any, error: Any) -> str | None:
    """What to do about a driver that does not answer; None where there is none to answer."""
    known = {
        pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: None,
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: (
            "the NVIDIA driver in the kernel and its libraries are of different versions, as after an update: reboot"
        ),
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "the NVIDIA driver is installed but not loaded",
        pynvml.NVML_ERROR_NO_PERMISSION: "the NVIDIA driver does not let this user ask it",
    }
    if error.value in known:
        return known[error.value]
    return f"the NVIDIA driver does not answer: {error}"


def _gpus(pynvml: Any) -> Iterator[DetectedGpu]:
    """Every GPU the driver lists; in place of one that is cut up, its slices."""
    listed = range(pynvml.nvmlDeviceGetCount())
    answers = {index: _ask(pynvml.nvmlDeviceGetHandleByIndex, index) for index in listed}
    handles = {index: handle for index, handle in answers.items() if handle is not None}
    for index, handle in handles.items():
        gpu = _gpu(pynvml, index, handle)
        if gpu is None:
            continue
        mode = _ask(pynvml.nvmlDeviceGetMigMode, handle)
        if mode and mode[0] == _MIG_ON:
            yield from _slices(pynvml, gpu, handle)
        else:
            yield replace(gpu, nvlink_peers=_nvlink_peers(pynvml, index, handles))


def _gpu(pynvml: Any, index: int, handle: Any) -> DetectedGpu | None:
    """One GPU or slice; None where the driver lists it but will not speak of it."""
    name = _text(_ask(pynvml.nvmlDeviceGetName, handle))
    memory = _memory(pynvml, handle)
    if name is None or memory is None:
        return None
    capability = _ask(pynvml.nvmlDeviceGetCudaComputeCapability, handle)
    return DetectedGpu(
        index,
        name,
        *memory,
        None if capability is None else (int(capability[0]), int(capability[1])),
        uuid=_text(_ask(pynvml.nvmlDeviceGetUUID, handle)),
    )


def _slices(pynvml: Any, whole: DetectedGpu, handle: Any) -> Iterator[DetectedGpu]:
    most = _ask(pynvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0
    for number in range(most):
        part = _ask(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number)
        gpu = None if part is None else _gpu(pynvml, whole.index, part)
        if gpu is None:
            continue
        profile = _profile(pynvml, gpu, part)
        name = gpu.name if "MIG" in gpu.name else f"{whole.name} MIG {profile}"
        yield replace(gpu, name=name, mig=profile, capability=gpu.capability or whole.capability)


def _profile(pynvml: Any, gpu: DetectedGpu, part: Any) -> str:
    """``1g.10gb``: from the driver's own name, else from what the slice has."""
    _, marker, named = gpu.name.partition("MIG ")
    if marker:
        return named
    attributes = _ask(pynvml.nvmlDeviceGetAttributes, part)
    slices = attributes.gpuInstanceSliceCount if attributes is not None else "?"
    return f"{slices}g.{round(gpu.total_bytes / _GIB)}gb"


def _memory(pynvml: Any, handle: Any) -> tuple[int, int] | None:
    """Total and free bytes. A GPU that shares the system's memory has none of its own to report (GB10, Jetson)."""
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError as error:
        return _system_memory() if error.value == pynvml.NVML_ERROR_NOT_SUPPORTED else None
    return int(memory.total), int(memory.free)


def _system_memory() -> tuple[int, int] | None:
    """Total and available bytes as Linux counts them, which CUDA reports for a GPU that shares them."""
    try:
        lines = _MEMORY_OF_THE_SYSTEM.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    kib = {words[0]: int(words[1]) for words in map(str.split, lines) if len(words) > 1 and words[1].isdecimal()}
    total, free = kib.get("MemTotal:"), kib.get("MemAvailable:")
    return None if total is None or free is None else (total * 1024, free * 1024)


def _nvlink_peers(pynvml: Any, index: int, handles: Mapping[int, Any]) -> tuple[int, ...]:
    """GPUs with a direct NVLink, by the question vLLM asks too (vllm/platforms/cuda.py, ``is_fully_connected``)."""

    def is_linked(other: Any) -> bool:
        status = _ask(pynvml.nvmlDeviceGetP2PStatus, handles[index], other, pynvml.NVML_P2P_CAPS_INDEX_NVLINK)
        return status is not None and status == pynvml.NVML_P2P_STATUS_OK

    return tuple(number for number, other in handles.items() if number != index and is_linked(other))


def _ask(question: Callable[..., Any], *about: Any) -> Any:
    """An answer of the driver; None where it has none, as old drivers and odd GPUs do for single questions."""
    from pynvml import NVMLError

    try:
        return question(*about)
    except NVMLError:
        return None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
