"""This machine's GPUs as settings."""

from __future__ import annotations

from vram_engine.deployment import Known, Setting
from vram_engine.facts.gpus import GpuMatch, find_gpu
from vram_engine.ports import DetectedGpu


def detected_settings(gpus: tuple[DetectedGpu, ...]) -> tuple[Setting, ...]:
    """This machine's GPUs as settings; nothing for none, for unlike ones, and for those the catalogue lacks."""
    ids = {catalogue_id(gpu) for gpu in gpus}
    found = ids.pop() if len(ids) == 1 else None
    if found is None:
        return ()
    return (
        Setting("gpu", Known(found), "detected", "driver"),
        Setting("gpus", Known(len(gpus)), "detected", "driver"),
    )


def catalogue_id(gpu: DetectedGpu) -> str | None:
    """The catalogue's id of a detected GPU; its memory tells apart cards that share a name."""
    for text in (f"{gpu.name} {round(gpu.total_bytes / 2**30)}GB", gpu.name):
        match = find_gpu(text)
        if isinstance(match, GpuMatch):
            return match.gpu.id
    return None
