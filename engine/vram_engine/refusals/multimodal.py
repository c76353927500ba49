"""Refusals about images, sound and video (vllm/config/multimodal.py, vllm/config/model.py)."""

from __future__ import annotations

from vram_engine.refusals.case import Case

_DEFAULT_OBJECT_MB = 128


def object_size_without_shared_cache(case: Case) -> str | None:
    """``_validate_multimodal_config``."""
    size, kind = case.integer("mm-shm-cache-max-object-size-mb"), case.text("mm-processor-cache-type", "lru")
    if size in (None, _DEFAULT_OBJECT_MB) or kind in (None, "shm") or case.model is None or not case.model.tower:
        return None
    return f"vLLM refuses mm-shm-cache-max-object-size-mb with mm-processor-cache-type {kind}: it is for shm alone"


def tensors_to_one_process(case: Case) -> str | None:
    """vllm/config/model.py, ``verify_with_parallel_config``."""
    if case.text("mm-tensor-ipc") != "torch_shm" or case.model is None or not case.model.tower:
        return None
    for name in ("tensor-parallel-size", "data-parallel-size", "pipeline-parallel-size"):
        size = case.integer(name, 1)
        if size is not None and size > 1:
            return f"vLLM refuses mm-tensor-ipc torch_shm with {name} {size}: it reaches one process only"
    return None
