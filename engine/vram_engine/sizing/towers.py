"""Which towers a deployment builds, and whether ranks divide them: ``limit_mm_per_prompt`` and ``mm_encoder_tp_mode``.

Follows ``SupportsMultiModal._mark_tower_model`` (vllm/model_executor/models/interfaces.py): a tower is left out when
none of the kinds of media that it reads may be in a prompt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from vram_engine.facts.versions import Version
from vram_engine.model.spec import Block, ModelSpec
from vram_engine.sizing.engine_args import EngineArgs

SIGHT = frozenset({"image", "video"})
IMAGES = frozenset({"image"})
SOUND = frozenset({"audio"})

# Architectures whose tower reads other media than images and videos, by their classes' marks.
MEDIA: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "LlavaForConditionalGeneration": IMAGES,
        "LlavaNextForConditionalGeneration": IMAGES,
        "LlavaNextVideoForConditionalGeneration": frozenset({"video"}),
        "Mistral3ForConditionalGeneration": IMAGES,
        "PaliGemmaForConditionalGeneration": IMAGES,
        "Cohere2VisionForConditionalGeneration": IMAGES,
        "Idefics3ForConditionalGeneration": IMAGES,
        "SmolVLMForConditionalGeneration": IMAGES,
        "KimiVLForConditionalGeneration": IMAGES,
        "KimiK25ForConditionalGeneration": frozenset({"vision_chunk"}),
        "Gemma3ForConditionalGeneration": IMAGES,
        "Gemma3nForConditionalGeneration": IMAGES,
        "Llama4ForConditionalGeneration": IMAGES,
        "Qwen2AudioForConditionalGeneration": SOUND,
        "AriaForConditionalGeneration": IMAGES,
        "DeepseekOCRForCausalLM": IMAGES,
        "DeepseekVLV2ForCausalLM": IMAGES,
        "DotsOCRForCausalLM": IMAGES,
        "GraniteSpeechForConditionalGeneration": SOUND,
        "KimiK3ForConditionalGeneration": IMAGES,
        "Lfm2VlForConditionalGeneration": IMAGES,
        "LightOnOCRForConditionalGeneration": IMAGES,
        "MolmoForCausalLM": IMAGES,
        "PaddleOCRVLForConditionalGeneration": IMAGES,
        "Phi3VForCausalLM": IMAGES,
        "Qwen3ASRForConditionalGeneration": SOUND,
        "SkyworkR1VChatModel": IMAGES,
        "UltravoxModel": SOUND,
    }
)

# Prefixes of what hears in models that see as well, beside those that say audio.
HEARING = ("apm.", "embed_tokens_extend.")

# Architectures that can hold their tower whole on every rank, by the first version seen with it
# (``supports_encoder_tp_data``); others keep dividing it and only warn.
WHOLE_TOWERS: Mapping[str, Version] = MappingProxyType(
    {
        "KimiVLForConditionalGeneration": Version(0, 10, 2),
        "Qwen2_5_VLForConditionalGeneration": Version(0, 10, 2),
        "Glm4vForConditionalGeneration": Version(0, 10, 2),
        "Glm4vMoeForConditionalGeneration": Version(0, 10, 2),
        "Llama4ForConditionalGeneration": Version(0, 10, 2),
        "InternVLChatModel": Version(0, 11, 0),
        "H2OVLChatModel": Version(0, 11, 0),
        "MiniCPMV": Version(0, 10, 2),
        "MiniCPMO": Version(0, 10, 2),
        "DotsOCRForCausalLM": Version(0, 11, 0),
        "Qwen2VLForConditionalGeneration": Version(0, 11, 0),
        "Qwen3VLForConditionalGeneration": Version(0, 11, 0),
        "Qwen3VLMoeForConditionalGeneration": Version(0, 11, 0),
        "KimiK25ForConditionalGeneration": Version(0, 16, 0),
        "GlmOcrForConditionalGeneration": Version(0, 16, 0),
        "Qwen3_5ForConditionalGeneration": Version(0, 17, 0),
        "Qwen3_5MoeForConditionalGeneration": Version(0, 17, 0),
        "Exaone4_5_ForConditionalGeneration": Version(0, 20, 0),
        "MiniMaxM3SparseForConditionalGeneration": Version(0, 24, 0),
        "KimiK3ForConditionalGeneration": Version(0, 27, 0),
    }
)

# Since here every model class leaves a tower out by the same rule; before, each decided for itself.
MARKED_SINCE = Version(0, 16, 0)

Limits = tuple[tuple[str, int], ...]


def media_limits(text: object) -> Limits | None:
    """Most items of each kind of media in a prompt, from ``--limit-mm-per-prompt``; ``None`` unless plain counts."""
    try:
        told = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    counts = [(str(kind), _count(limit)) for kind, limit in told.items()]
    plain = tuple((kind, count) for kind, count in counts if count is not None)
    return plain if len(plain) == len(counts) else None


def _count(limit: object) -> int | None:
    """A count, alone or the only one of its options: others change the media that memory is profiled with."""
    if isinstance(limit, dict):
        limit = limit.get("count") if set(limit) == {"count"} else None
    return limit if isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0 else None


def is_left_out(spec: ModelSpec, args: EngineArgs, block: Block) -> bool:
    """Whether the tower's part ``block`` is not built."""
    if args.language_model_only:
        return True
    forbidden = {kind for kind, most in args.limit_mm_per_prompt if most == 0}
    return bool(forbidden) and args.vllm_version >= MARKED_SINCE and media_of(spec, block) <= forbidden


def media_of(spec: ModelSpec, block: Block) -> frozenset[str]:
    """The kinds of media that a part of a tower reads."""
    if "audio" in block.prefix or block.prefix.startswith(HEARING):
        return SOUND
    return MEDIA.get(spec.architecture, SIGHT)


def tower_blocks(spec: ModelSpec) -> tuple[Block, ...]:
    """The blocks of a model that belong to its towers."""
    return tuple(block for block in spec.modules if any(getattr(each, "kind", "") == "tower" for each in block.modules))


def has_tower(spec: ModelSpec, args: EngineArgs) -> bool:
    """Whether the model is served with any of its towers."""
    if not spec.tower or args.language_model_only:
        return False
    return not args.limit_mm_per_prompt or not all(is_left_out(spec, args, block) for block in tower_blocks(spec))


def is_whole(spec: ModelSpec, args: EngineArgs) -> bool:
    """Whether every rank holds the whole tower and takes its share of the images."""
    since = WHOLE_TOWERS.get(spec.architecture)
    return args.mm_encoder_tp_mode == "data" and since is not None and args.vllm_version >= since


def unfollowed_limits(text: object, version: Version, spec: ModelSpec) -> str | None:
    """Why the memory under ``--limit-mm-per-prompt`` is not known; ``None`` where it is."""
    limits = media_limits(text)
    if limits is None:
        return "limit-mm-per-prompt is followed for plain counts only"
    if version < MARKED_SINCE:
        return f"limit-mm-per-prompt is followed since vLLM {MARKED_SINCE} only"
    args = EngineArgs(vllm_version=version, limit_mm_per_prompt=limits)
    blocks = tower_blocks(spec)
    if not has_tower(spec, args):
        return None
    seen = {kind for block in blocks for kind in media_of(spec, block)} & SIGHT
    profiled = "image" if "image" in seen else next(iter(seen), "audio")
    if dict(limits).get(profiled) == 0:
        return f"limit-mm-per-prompt leaves other media than {profiled}s, and what those need is not modelled yet"
    return None
