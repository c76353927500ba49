"""How large media may be that a model's processor makes: ``mm_processor_kwargs``, as far as memory follows it.

Follows ``get_image_size_with_most_features`` of ``qwen2_vl.py`` (vllm/model_executor/models), whose sizes other
Qwen models with eyes share.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from vram_engine.facts.versions import Version
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.engine_args import EngineArgs

Sizes = tuple[tuple[str, int], ...]

MOST, LEAST = "max_pixels", "min_pixels"
# Architectures that push images of at most ``max_pixels`` through their tower while profiling, by the first version
# read with it.
RESIZED_SINCE: Mapping[str, Version] = MappingProxyType(
    {
        "Qwen2VLForConditionalGeneration": Version(0, 6, 6),
        "Qwen2_5_VLForConditionalGeneration": Version(0, 8, 5),
        "Qwen3VLForConditionalGeneration": Version(0, 17, 0),
        "Qwen3VLMoeForConditionalGeneration": Version(0, 17, 0),
        "Qwen3_5ForConditionalGeneration": Version(0, 17, 0),
        "Qwen3_5MoeForConditionalGeneration": Version(0, 17, 0),
    }
)


def media_sizes(text: object) -> Sizes | None:
    """The sizes in ``--mm-processor-kwargs``; ``None`` unless it says nothing but those, as whole numbers above 0."""
    try:
        told = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or not set(told) <= {MOST, LEAST}:
        return None
    usable = all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in told.values())
    return tuple(told.items()) if usable else None


def unfollowed_sizes(text: object, version: Version, spec: ModelSpec) -> str | None:
    """Why the memory under ``--mm-processor-kwargs`` is not known; ``None`` where it is."""
    if media_sizes(text) is None:
        return f"mm-processor-kwargs is followed for {MOST} and {LEAST} only"
    if not _resizes(spec, version):
        return "mm-processor-kwargs changes the images that memory is profiled with, and is not modelled here yet"
    return None


def _resizes(spec: ModelSpec, version: Version) -> bool:
    since = RESIZED_SINCE.get(spec.architecture)
    return since is not None and version >= since


def largest_image(spec: ModelSpec, args: EngineArgs) -> int | None:
    """Pixels of the largest image, where the settings say it and this release's profile listens."""
    return dict(args.mm_processor_kwargs).get(MOST) if _resizes(spec, args.vllm_version) else None
