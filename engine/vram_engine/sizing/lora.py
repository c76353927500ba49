"""The places for LoRA adapters: vLLM allocates ``max_loras`` of the largest rank on every layer it wraps.

Follows ``create_lora_weights`` of vllm/lora/layers and ``LoRAModelManager._create_lora_modules``. An adapter of a matrix
``[rows, cols]`` is A ``[rank, cols]`` and B ``[rows, rank]``; which side ranks divide follows the matrix. All sizes here
are of one place, in values.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from vram_engine.facts.dtypes import BYTES
from vram_engine.facts.versions import Version
from vram_engine.model.spec import Embedding, Linear, ModelSpec, Part, RoutedExperts
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.lora_classes import LORA_CLASSES, LoraClass
from vram_engine.sizing.parallelism import Refusal, expert_share, local_units, padded_vocab
from vram_engine.sizing.schemes import Placed

NAME = "LoRA slots"
# Adapters are followed from here on; earlier releases wrap other layers.
SINCE = Version(0, 29, 0)
LARGEST_VOCABULARY = 258_048
SWITCH = 4
TOKEN_INDEX = 8


@dataclass(frozen=True, slots=True)
class Slots:
    """The places that every wrapped layer gets: how many, of which rank and dtype, and whether ranks divide both sides.

    ``targets`` are the ends of the names of the layers that adapters may change, where they are restricted.
    """

    count: int
    rank: int
    element: int
    tensor_ranks: int
    both_sides: bool
    targets: frozenset[str] | None

    def split_rank(self, ranks: int) -> int:
        """The rows of an A that ``ranks`` may divide."""
        return self.rank // ranks if self.both_sides else self.rank


def target_modules(text: object) -> tuple[str, ...] | None:
    """The names of ``--lora-target-modules``; ``None`` where they cannot be read."""
    try:
        told = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        told = [text]
    return tuple(told) if isinstance(told, list) and all(isinstance(name, str) for name in told) else None


def slots_of(args: EngineArgs, dtype: str) -> Slots:
    """The places under these arguments; the dtype is the model's unless one is given."""
    return Slots(
        args.max_loras,
        args.max_lora_rank,
        BYTES[dtype if args.lora_dtype == "auto" else args.lora_dtype],
        args.tensor_parallel_size,
        args.fully_sharded_loras,
        None if args.lora_target_modules is None else frozenset(args.lora_target_modules),
    )


def slot_bytes(placed: Placed, spec: ModelSpec, args: EngineArgs, slots: Slots, ranks: int) -> int | Refusal:
    """Bytes on one of ``ranks`` ranks of all places on one layer; 0 where vLLM does not wrap it."""
    module, kind = placed.module, LORA_CLASSES[spec.architecture]
    if not _is_target(placed, slots):
        return 0
    if isinstance(module, Linear):
        values = _linear(module, slots, ranks)
        return values if isinstance(values, Refusal) else values * module.replicas * slots.count * slots.element
    if isinstance(module, RoutedExperts):
        return _experts(module, args, slots, kind)
    if isinstance(module, Embedding) and not module.head and kind.table:
        return (module.vocab + module.hidden) * slots.rank * slots.count * slots.element
    return 0


def head_bytes(spec: ModelSpec, slots: Slots) -> int | Refusal:
    """Bytes of the places on the output head, which every rank of the last stage holds whole."""
    if not LORA_CLASSES[spec.architecture].head or spec.runner == "pooling":
        return 0
    if slots.targets is not None and "lm_head" not in slots.targets:
        return 0
    if spec.vocab_size > LARGEST_VOCABULARY:
        return Refusal(f"When using LoRA, vocab size must be <= {LARGEST_VOCABULARY}; this model has {spec.vocab_size}.")
    order = padded_vocab(spec.vocab_size) * TOKEN_INDEX if slots.tensor_ranks > 1 else 0
    return (spec.hidden_size + spec.vocab_size) * slots.rank * slots.count * slots.element + order


def _is_target(placed: Placed, slots: Slots) -> bool:
    if slots.targets is None:
        return True
    name = placed.module.name if hasattr(placed.module, "name") else ""
    parts = {part.name for part in placed.module.parts} if isinstance(placed.module, Linear) else set()
    return bool(slots.targets & {name.split(".")[-1], *parts})


def _linear(module: Linear, slots: Slots, ranks: int) -> int | Refusal:
    ranks = 1 if module.even % ranks else ranks
    rows = [local_units(part, ranks if module.split == "column" else 1) for part in module.parts]
    cols = local_units(Part(module.name, module.cols), ranks if module.split == "row" else 1)
    if isinstance(cols, Refusal):
        return cols
    outputs = 0
    for units, part in zip(rows, module.parts, strict=True):
        if isinstance(units, Refusal):
            return units
        outputs += units * part.width
    adapters = _adapters(module)
    if module.split == "row":
        return cols * slots.rank + (outputs // ranks if slots.both_sides else outputs) * slots.rank
    inputs = slots.split_rank(ranks) if module.split == "column" else slots.rank
    return adapters * cols * inputs + outputs * slots.rank


def _adapters(module: Linear) -> int:
    """How many adapters a fused matrix has: one for each weight that the checkpoint keeps apart."""
    names = {part.name for part in module.parts}
    return len(module.parts) if len(names) > 1 else 1


def _experts(module: RoutedExperts, args: EngineArgs, slots: Slots, kind: LoraClass) -> int | Refusal:
    share = expert_share(module.count, args)
    width = local_units(Part("expert width", module.width), share.slices)
    if isinstance(width, Refusal):
        return width
    shards = 2 if module.gated else 1
    inputs = 1 if kind.fused_experts else shards
    up = inputs * module.hidden * slots.split_rank(share.slices) + shards * width * slots.rank
    hidden = module.hidden // share.slices if slots.both_sides else module.hidden
    down = (width + hidden) * slots.rank
    return share.experts * (up + down) * slots.count * slots.element + (slots.count + 1) * SWITCH
