"""What a GPU and a node of GPUs are, as frozen values. Figures come from ``facts``, never from here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gpu:
    """One row of the GPU catalogue. Memory is what CUDA reports (cudaMemGetInfo total), in bytes.

    ``memory_low``/``memory_high`` are the extremes seen across drivers. ``capability`` is the CUDA compute
    capability, ``None`` for other vendors. Bandwidth is in GB/s (1e9), rates in dense TFLOP/s. ``memory_gb`` is the
    size as sold, ``nvml_total_mib`` what nvidia-smi prints; both ``None`` for a GPU that was only measured.
    """

    id: str
    name: str
    vendor: str
    capability: tuple[int, int] | None
    memory_bytes: int
    memory_low: int
    memory_high: int
    memory_status: str
    bandwidth_gbs: float | None
    tflops_16bit: float | None
    tflops_fp8: float | None
    nvlink_gbs: float | None
    native_bf16: bool
    native_fp8: bool
    unified_memory: bool
    source: str
    doubts: tuple[str, ...] = ()
    architecture: str | None = None
    memory_gb: int | None = None
    nvml_total_mib: int | None = None
    tflops_fp4: float | None = None
    native_fp4: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """The GPUs one deployment may use: ``count`` equal ones; ``count`` is None when nothing says how many."""

    gpu: Gpu
    count: int | None
