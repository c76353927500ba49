"""The largest item of media that a model is profiled with, and how many of them.

V1 takes the kind of item that most tokens can come of (``get_modality_with_max_tokens`` and ``_get_max_items`` of
``vllm/multimodal/encoder_budget.py``, before ``v1/worker/utils.py``), as large as its processor makes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vram_engine.facts.versions import Version
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.batch import Batch
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import Era
from vram_engine.sizing.media_size import largest_image

# Values of a patch: 3 colours in 2 frames, for each of its pixels; 2 x 2 patches make a token.
VALUES_PER_PIXEL = 6
MERGED = 4
# Architectures whose largest video has frames of the largest image, two of which make as many tokens as the image
# (``get_num_frames_with_most_features``).
VIDEO_OF_IMAGES = frozenset({"Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration"})
VIDEOS_SINCE = Version(0, 8, 0)
# Most pairs of frames, by the first version read with them; until 0.10.2 the video had to leave room for an image.
FRAME_PAIRS: tuple[tuple[Version, int], ...] = ((VIDEOS_SINCE, 8), (Version(0, 11, 0), 7))
BESIDE_AN_IMAGE_UNTIL = Version(0, 10, 2)


@dataclass(frozen=True, slots=True)
class LargestItem:
    """The largest item a processor makes by default: ``patches`` into the tower, ``tokens`` out of it.

    ``pixels`` are values per patch, ``rotary`` whether attention rotates queries and keys, ``levels`` how many
    embeddings of the language model's width a token comes with.
    """

    architectures: frozenset[str]
    patches: int
    tokens: int
    pixels: int
    rotary: bool
    levels: int = 1


LARGEST_ITEMS: tuple[LargestItem, ...] = (
    LargestItem(
        frozenset({"Qwen3VLForConditionalGeneration", "Qwen3VLMoeForConditionalGeneration"}),
        65536,
        16384,
        1536,
        rotary=True,
        levels=4,
    ),
    LargestItem(
        frozenset({"Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForConditionalGeneration"}),
        65536,
        16384,
        1536,
        rotary=True,
    ),
    LargestItem(
        frozenset({"Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration"}),
        65536,
        16384,
        1176,
        rotary=True,
    ),
    LargestItem(frozenset({"Gemma3ForConditionalGeneration"}), 4096, 256, 588, rotary=False),
    LargestItem(frozenset({"Gemma4ForConditionalGeneration"}), 2520, 280, 768, rotary=True),
    LargestItem(frozenset({"Llama4ForConditionalGeneration"}), 17 * 576, 17 * 144, 588, rotary=True),
    LargestItem(frozenset({"LlavaForConditionalGeneration"}), 577, 576, 588, rotary=False),
    LargestItem(frozenset({"LlavaNextForConditionalGeneration"}), 5 * 577, 2880, 588, rotary=False),
    LargestItem(frozenset({"InternVLChatModel"}), 13 * 1025, 13 * 256, 588, rotary=False),
    LargestItem(frozenset({"PixtralForConditionalGeneration"}), 4096, 4096, 768, rotary=True),
    LargestItem(frozenset({"Mistral3ForConditionalGeneration"}), 12100, 3025, 588, rotary=True),
)
UNKNOWN_ITEM = LargestItem(frozenset(), 4096, 1024, 588, rotary=True)


def largest_item(spec: ModelSpec, args: EngineArgs) -> LargestItem:
    """The item that most tokens come of: the row of ``LARGEST_ITEMS``, or a stand-in of usual size.

    It is as large as ``mm_processor_kwargs`` lets it be, and a video where one may be larger.
    """
    item = next((row for row in LARGEST_ITEMS if spec.architecture in row.architectures), UNKNOWN_ITEM)
    if (pixels := largest_image(spec, args)) is not None:
        tokens = max(1, pixels * VALUES_PER_PIXEL // (item.pixels * MERGED))
        item = replace(item, patches=MERGED * tokens, tokens=tokens)
    pairs = _frame_pairs(item, spec, args)
    return replace(item, patches=item.patches * pairs, tokens=item.tokens * pairs)


def _frame_pairs(item: LargestItem, spec: ModelSpec, args: EngineArgs) -> int:
    """Pairs of frames of the largest video that fits ``max_model_len``; an image counts as one."""
    if spec.architecture not in VIDEO_OF_IMAGES or args.vllm_version < VIDEOS_SINCE:
        return 1
    if dict(args.limit_mm_per_prompt).get("video") == 0:
        return 1
    length = args.max_model_len or spec.length or 0
    if args.vllm_version < BESIDE_AN_IMAGE_UNTIL:
        length -= item.tokens
    most = max(row for row in FRAME_PAIRS if row[0] <= args.vllm_version)[1]
    return max(1, min(length // item.tokens, most))


def profiled_items(item: LargestItem, spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era) -> int:
    """Items within the encoder budget, which is the step's tokens and at least one item.

    They come in at most ``max_num_seqs`` prompts, each of which holds as many as fit ``max_model_len``; one for V0.
    """
    length = 0 if era.runner == "V0" else args.max_model_len or spec.length or 0
    in_a_prompt = max(1, length // item.tokens)
    return max(1, min(batch.max_num_batched_tokens // item.tokens, batch.max_num_seqs * in_a_prompt))
