"""Which of a machine's GPUs a program may use: ``CUDA_VISIBLE_DEVICES`` and AMD's, read as CUDA and HIP do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vram_engine.ports import DetectedGpu


def visible(gpus: tuple[DetectedGpu, ...], environment: Mapping[str, str]) -> tuple[DetectedGpu, ...]:
    """The GPUs that are left, in the order the variable gives; all of them where it is not set.

    Numbers count in CUDA's order, fastest first, unless ``CUDA_DEVICE_ORDER`` is ``PCI_BUS_ID``, NVML's order. Where
    the two may differ, as with unlike GPUs or slices, what a number means cannot be told and nothing is left out.
    """
    listed = environment.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return gpus
    by_bus = environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    return _chosen(gpus, listed, {gpu.index: gpu for gpu in gpus}, by_bus)


def visible_to_hip(gpus: tuple[DetectedGpu, ...], environment: Mapping[str, str]) -> tuple[DetectedGpu, ...]:
    """The same for AMD's: ROCm hides some first, then HIP counts those that are left.

    HIP reads CUDA's variable too, and vLLM wants the two to agree (vllm/platforms/rocm.py); an empty one says nothing.
    """
    for names in (("ROCR_VISIBLE_DEVICES",), ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")):
        listed = next((environment[name] for name in names if environment.get(name)), None)
        if listed is not None:
            gpus = _chosen(gpus, listed, dict(enumerate(gpus)), by_bus=False)
    return gpus


def _chosen(
    gpus: tuple[DetectedGpu, ...], listed: str, numbered: Mapping[int, DetectedGpu], by_bus: bool
) -> tuple[DetectedGpu, ...]:
    """The GPUs listed; all of them where what a number means cannot be told."""
    words = [word.strip() for word in listed.split(",")]
    orders_agree = by_bus or len({(gpu.name, gpu.total_bytes) for gpu in gpus}) <= 1
    has_slices = any(gpu.mig is not None for gpu in gpus)
    if any(word.isdecimal() for word in words) and (has_slices or not orders_agree):
        return gpus
    return tuple(_until_unknown(gpus, words, numbered))


def _until_unknown(
    gpus: tuple[DetectedGpu, ...], words: Iterable[str], numbered: Mapping[int, DetectedGpu]
) -> Iterable[DetectedGpu]:
    """CUDA stops at the first word that names no GPU (``-1``, nothing, a typing error) and wants none twice."""
    found: list[DetectedGpu] = []
    for word in words:
        named = [gpu for gpu in gpus if _is_named(gpu, word, numbered)]
        if len(named) != 1:
            break
        if named[0] in found:
            return ()
        found += named
    return found


def _is_named(gpu: DetectedGpu, word: str, numbered: Mapping[int, DetectedGpu]) -> bool:
    """By its number, or by a beginning of its UUID that suits no other."""
    if word.isdecimal():
        return len(word) <= 4 and gpu == numbered.get(int(word))
    return word.startswith(("GPU-", "MIG-")) and gpu.uuid is not None and gpu.uuid.startswith(word)
