"""The places for LoRA adapters: vLLM allocates ``max_loras`` of the largest rank on every layer it wraps.

Follows ``create_lora_weights`` of vllm/lora/layers and ``LoRAModelManager._create_lora_modules``. An adapter of a
matrix ``[rows, cols]`` is A ``[rank, cols]`` and B ``[rows, rank]``; which of the two ranks divide follows the matrix.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from vram_engine.facts.dtypes import BYTES
from vram_engine.facts.versions import Version
from vram_engine.model.spec import (
    Attention,
    Embedding,
    Linear,
    ModelSpec,
    Parameter,
    Part,
    Rotary,
    RoutedExperts,
)
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.lora_classes import LORA_CLASSES, NO_LORA, LoraClass
from vram_engine.sizing.parallelism import Refusal, expert_share, local_units, padded_vocab
from vram_engine.sizing.schemes import Placed

# Adapters are followed from here on; earlier releases wrap other layers.
SINCE = Version(0, 29, 0)
LARGEST_VOCABULARY = 258_048
# Fused matrices that no wrapper of vLLM's fits.
UNWRAPPED = frozenset({"wk_weights_proj"})
SWITCH = 4
FLOAT32 = 4
HALF = 2
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
    """The places under these arguments; the dtype is the model's unless another that vLLM takes is given."""
    return Slots(
        args.max_loras,
        args.max_lora_rank,
        BYTES.get(args.lora_dtype, BYTES[dtype]),
        args.tensor_parallel_size,
        args.fully_sharded_loras,
        None if args.lora_target_modules is None else frozenset(args.lora_target_modules),
    )


def lora_refusal(spec: ModelSpec, args: EngineArgs) -> Refusal | None:
    """Why vLLM would not start with adapters; ``None`` where it would."""
    if not args.enable_lora:
        return None
    if spec.architecture in NO_LORA:
        return Refusal(f"Model {spec.architecture} is not supported for LoRA.")
    if args.fully_sharded_loras and args.max_lora_rank % args.tensor_parallel_size:
        return Refusal(
            f"a LoRA rank of {args.max_lora_rank} cannot be divided by a tensor parallel size of "
            f"{args.tensor_parallel_size}, as fully-sharded-loras asks for"
        )
    if args.fully_sharded_loras and args.enable_expert_parallel:
        return Refusal("Fused MoE LoRA does not support enable_expert_parallel together with fully_sharded_loras.")
    return None


def unfollowed_adapters(value: object, version: Version, spec: ModelSpec) -> str | None:
    """Why the memory of adapters on a model is not known; ``None`` where it is."""
    if value is False:
        return None
    if version < SINCE:
        return f"LoRA slots are followed since vLLM {SINCE} only"
    if spec.shapes_guessed or not LORA_CLASSES.keys() | NO_LORA >= {spec.architecture}:
        return f"the LoRA slots of {spec.architecture[:60]} are not modelled yet"
    if spec.experts is not None and spec.quantization is not None:
        return "LoRA slots are followed for experts of 16 bits only: adapters change how others are kept"
    return None


def unfollowed_targets(value: object, _: Version, __: ModelSpec) -> str | None:
    """Why ``--lora-target-modules`` cannot be followed; ``None`` where it can."""
    return "lora-target-modules is not a list of names" if target_modules(value) is None else None


def has_adapters(spec: ModelSpec, args: EngineArgs) -> bool:
    """Whether places for adapters are allocated, and are known."""
    return args.enable_lora and spec.architecture in LORA_CLASSES and not spec.shapes_guessed


def working_bytes(spec: ModelSpec, args: EngineArgs, tokens: int) -> int:
    """Bytes of the adapters' products between A and B in a step of ``tokens``, of the widest layer.

    Three adapters of a fused matrix in float32 (``add_lora_linear``), or those of a token's experts.
    """
    if not has_adapters(spec, args):
        return 0
    answering = spec.experts.per_token if spec.experts is not None else 0
    return 3 * tokens * args.max_lora_rank * max(FLOAT32, HALF * answering)


def slot_bytes(placed: Placed, spec: ModelSpec, args: EngineArgs, slots: Slots, ranks: int) -> int | Refusal:
    """Bytes on one of ``ranks`` ranks of all places on one layer; 0 where vLLM does not wrap it."""
    module, kind = placed.module, LORA_CLASSES[spec.architecture]
    if not _is_wrapped(placed, kind, slots):
        return 0
    if isinstance(module, Linear):
        adapters = _adapters(module, kind, ranks)
        if slots.both_sides and adapters > 2 and module.kind != "attention" and not _halves(module):
            return 0
        values = _linear(module, slots, ranks, adapters)
        return values if isinstance(values, Refusal) else values * module.replicas * slots.count * slots.element
    if isinstance(module, Parameter):
        return _convolution(module, slots, ranks)
    if isinstance(module, RoutedExperts):
        return _experts(module, args, slots, kind)
    if isinstance(module, Embedding):
        return _table(module, slots, kind)
    return 0


def _table(module: Embedding, slots: Slots, kind: LoraClass) -> int:
    """The places on the input table, which every rank holds whole; naming it among the targets is enough."""
    wrapped = kind.table if slots.targets is None else True
    return (
        0 if module.head or not wrapped else (module.vocab + module.hidden) * slots.rank * slots.count * slots.element
    )


def head_bytes(spec: ModelSpec, slots: Slots) -> int | Refusal:
    """Bytes of the places on the output head, which every rank of the last stage holds whole."""
    wrapped = LORA_CLASSES[spec.architecture].head if slots.targets is None else "lm_head" in slots.targets
    if not wrapped or spec.runner == "pooling":
        return 0
    if spec.vocab_size > LARGEST_VOCABULARY:
        return Refusal(
            f"When using LoRA, vocab size must be <= {LARGEST_VOCABULARY}; this model has {spec.vocab_size}."
        )
    order = padded_vocab(spec.vocab_size) * TOKEN_INDEX if slots.tensor_ranks > 1 else 0
    return (spec.hidden_size + spec.vocab_size) * slots.rank * slots.count * slots.element + order


def _is_wrapped(placed: Placed, kind: LoraClass, slots: Slots) -> bool:
    """Whether vLLM puts adapters on the layer, as far as its name decides."""
    module = placed.module
    if isinstance(module, Attention | Rotary):
        return False
    name = (placed.block.prefix + module.name).split(".")
    if name[-1] in UNWRAPPED or (not kind.router and name[-2:] == ["mixer", "gate"]):
        return False
    parts = {part.name for part in module.parts} if isinstance(module, Linear) else set()
    return slots.targets is None or bool(slots.targets & {name[-1], *parts})


def _linear(module: Linear, slots: Slots, ranks: int, adapters: int) -> int | Refusal:
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
    if module.split == "row":
        return cols * slots.rank + (outputs // ranks if slots.both_sides else outputs) * slots.rank
    inputs = slots.split_rank(ranks) if module.split == "column" else slots.rank
    return adapters * cols * inputs + outputs * slots.rank


def _adapters(module: Linear, kind: LoraClass, ranks: int) -> int:
    """How many adapters a fused matrix has: one for each weight that vLLM keeps apart.

    A matrix that the checkpoint fuses has one, and again one for each part of three and more, attention's aside.
    """
    names = {part.name for part in module.parts}
    if module.name.split(".")[-1] in kind.halved:
        return 2
    if module.merges:
        return 1 if _repeats(module.parts, ranks) else len(module.parts)
    if len(names) > 1 or (len(module.parts) > 2 and module.kind != "attention"):
        return len(module.parts)
    return 1


def _halves(module: Linear) -> bool:
    """Whether the checkpoint holds a fused matrix as two."""
    return len({part.name for part in module.parts}) == 2


def _repeats(parts: tuple[Part, ...], ranks: int) -> bool:
    """Whether ranks repeat some of the parts, so that vLLM has to fuse them."""
    return any(part.replicable and part.units % ranks for part in parts)


def _convolution(module: Parameter, slots: Slots, ranks: int) -> int | Refusal:
    """A convolution that vLLM holds as a linear layer of so few inputs; Mamba-2's may be several."""
    if not module.inputs:
        return 0
    several = any(part.replicable for part in module.parts) or {"x", "B", "C"} <= {part.name for part in module.parts}
    adapters = len(module.parts) if several and not _repeats(module.parts, ranks) else 1
    linear = Linear(module.name, module.kind, module.parts, module.inputs)
    if adapters > 1 and slots.both_sides:
        return 0
    values = _linear(linear, slots, ranks, adapters)
    return values if isinstance(values, Refusal) else values * slots.count * slots.element


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
