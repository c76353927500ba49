"""What a vision tower takes while memory is profiled: the largest images the step may hold, pushed through at once.

V1 profiles the tower with as many items of the largest size as its budget of tokens holds, and keeps their embeddings
while the language model is profiled (``profile_run`` and ``MultiModalBudget``). Symbols: P patches before merging,
D width of the tower.
"""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.model.spec import Block, Linear, ModelSpec
from vram_engine.sizing.batch import Batch
from vram_engine.sizing.budget import MIB, Term
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import Era

VALUE = 2
KEPT_WIDTHS = 3
# Attention with rotary positions keeps qkv, its reordered queries and keys, the rotated ones, and the context.
ROTARY_WIDTHS = 8
PLAIN_WIDTHS = 4
# The share of the default that a tower nobody derived may differ by, either way.
UNDERIVED = (0.1, 3.0)
DERIVED = (0.6, 1.6)


@dataclass(frozen=True, slots=True)
class LargestItem:
    """The largest item a processor makes by default: ``patches`` into the tower, ``tokens`` out of it.

    ``pixels`` are values per patch, ``rotary`` whether attention rotates queries and keys.
    """

    architectures: frozenset[str]
    patches: int
    tokens: int
    pixels: int
    rotary: bool


LARGEST_ITEMS: tuple[LargestItem, ...] = (
    LargestItem(
        frozenset(
            {
                "Qwen3VLForConditionalGeneration",
                "Qwen3VLMoeForConditionalGeneration",
                "Qwen3_5ForConditionalGeneration",
                "Qwen3_5MoeForConditionalGeneration",
            }
        ),
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


def sees_images(spec: ModelSpec, args: EngineArgs) -> bool:
    """Whether the model is served with its vision or audio tower."""
    return spec.tower and not args.language_model_only


def encoder_peak(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era) -> Term | None:
    """The tower's widest moment for the profiled items; ``None`` where the tower is not profiled."""
    width, wide = _tower_widths(spec, args.tensor_parallel_size)
    if not width or not sees_images(spec, args) or not era.encoder_profiled:
        return None
    item = largest_item(spec)
    items = profiled_items(item, batch)
    attention = (
        KEPT_WIDTHS * width + (ROTARY_WIDTHS if item.rotary else PLAIN_WIDTHS) * width // args.tensor_parallel_size
    )
    values = max(attention, 2 * width + wide) + item.pixels
    amount = items * item.patches * values * VALUE
    low, high = DERIVED if item.architectures else UNDERIVED
    because = f"{items} item(s) of {item.patches:,} patches × {VALUE} B × {values:,} values"
    return Term("vision tower", amount, because, "modelled", spread=(int(amount * low), int(amount * high) + 64 * MIB))


def kept_embeddings(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era) -> int:
    """Bytes of the profiled items' embeddings, kept while the language model and the sampler run."""
    if not sees_images(spec, args) or not era.encoder_profiled:
        return 0
    item = largest_item(spec)
    return profiled_items(item, batch) * item.tokens * spec.hidden_size * VALUE


def largest_item(spec: ModelSpec) -> LargestItem:
    """The row of ``LARGEST_ITEMS`` of an architecture, or a stand-in of usual size."""
    return next((row for row in LARGEST_ITEMS if spec.architecture in row.architectures), UNKNOWN_ITEM)


def profiled_items(item: LargestItem, batch: Batch) -> int:
    """Items within the encoder budget, which is the step's tokens and at least one item."""
    return max(1, min(batch.max_num_batched_tokens // item.tokens, batch.max_num_seqs))


def _tower_widths(spec: ModelSpec, tp: int) -> tuple[int, int]:
    """The tower's hidden width, and the values per patch inside its widest MLP on one rank."""
    widths = [_block_widths(block, tp) for block in spec.modules]
    return max(widths, key=lambda pair: pair[1], default=(0, 0))


def _block_widths(block: Block, tp: int) -> tuple[int, int]:
    hidden = wide = 0
    for module in block.modules:
        if isinstance(module, Linear) and module.kind == "tower":
            rows = sum(part.rows for part in module.parts)
            split = tp if module.split != "none" else 1
            if module.split == "row":
                wide = max(wide, 2 * module.cols // split)
            elif rows > hidden:
                hidden = module.cols
    return hidden, wide
