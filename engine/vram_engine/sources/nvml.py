"""This machine's GPUs through NVML. pynvml is imported when asked, so that a laptop without a GPU starts as fast."""

from __future__ import annotations

from typing import Any

from vram_engine.ports import DetectedGpu


class NvmlGpus:
    """NVIDIA's management library, if a driver is there."""

    def gpus(self) -> tuple[DetectedGpu, ...]:
        """Every GPU the driver shows; empty where there is no driver or it does not answer."""
        try:
            import pynvml
        except ImportError:
            return ()
        try:
            pynvml.nvmlInit()
        except (pynvml.NVMLError, OSError):
            return ()
        try:
            count = pynvml.nvmlDeviceGetCount()
            found = (_gpu(pynvml, index) for index in range(count))
            return tuple(gpu for gpu in found if gpu is not None)
        except pynvml.NVMLError:
            return ()
        finally:
            pynvml.nvmlShutdown()


def _gpu(pynvml: Any, index: int) -> DetectedGpu | None:
    """One GPU; None where the driver lists it but will not speak of it."""
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        name = pynvml.nvmlDeviceGetName(handle)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError:
        return None
    text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    return DetectedGpu(index, text, int(memory.total), int(memory.free), _capability(pynvml, handle))


def _capability(pynvml: Any, handle: Any) -> tuple[int, int] | None:
    try:
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    except pynvml.NVMLError:
        return None
    return int(major), int(minor)
