"""The weights of one pipeline stage on one tensor-parallel rank, as a Term for each stage.

Follows what vLLM's model classes allocate (``create_weights``) and keep (``process_weights_after_loading``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from vram_engine.facts.dtypes import BYTES, NEEDS_MORE_RANGE_THAN_FLOAT16, SPELLINGS, automatic
from vram_engine.model.spec import (
    Attention,
    Block,
    Embedding,
    Linear,
    ModelSpec,
    Module,
    Parameter,
    Part,
    Rotary,
    RoutedExperts,
    Unavailable,
)
from vram_engine.sizing.budget import MIB, Term
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.lora import Slots, has_adapters, head_bytes, lora_refusal, slot_bytes, slots_of
from vram_engine.sizing.offload import CPU_OFFLOAD, moved
from vram_engine.sizing.parallelism import (
    Refusal,
    expert_share,
    local_units,
    padded_vocab,
    parallel_refusals,
    pipeline_stages,
    shared_experts_are_whole,
)
from vram_engine.sizing.quantization import NOTHING, LocalExperts, LocalLinear, Scheme, Stored, Unquantized
from vram_engine.sizing.recalled import REMEMBERED, Same, about_weights
from vram_engine.sizing.schemes import Placed, Plan, plan
from vram_engine.sizing.towers import is_left_out, is_whole
from vram_engine.sizing.weight_kinds import KindOfWeights

BUFFERS = "buffers"
AFTER_LOADING = "after loading"
LORA_SLOTS = "LoRA slots"
DRAFT = "draft model"


def weights(
    spec: ModelSpec, args: EngineArgs, gpu_capability: tuple[int, int]
) -> tuple[Term, ...] | Refusal | Unavailable:
    """One Term per pipeline stage: bytes that stay on each of its tensor-parallel ranks after loading.

    Parts are the kinds of weights as allocated, the rotary tables (``buffers``), and the difference that repacking
    makes (``after loading``, of either sign).
    """
    return _weights(Same(spec), about_weights(args), gpu_capability)


@lru_cache(maxsize=REMEMBERED)
def _weights(
    same: Same[ModelSpec], args: EngineArgs, gpu_capability: tuple[int, int]
) -> tuple[Term, ...] | Refusal | Unavailable:
    spec = same.value
    for refusal in (*parallel_refusals(spec, args), lora_refusal(spec, args)):
        if refusal is not None:
            return refusal
    dtype = model_dtype(spec, args, gpu_capability)
    if isinstance(dtype, Refusal):
        return dtype
    if spec.shapes_guessed:
        return _guessed(spec, args, BYTES[dtype])
    chosen = plan(spec, args, gpu_capability)
    if not isinstance(chosen, Plan):
        return chosen
    stages = pipeline_stages(spec.num_layers, args.pipeline_parallel_size)
    share = share_of(spec, args, dtype, chosen)
    terms = []
    for number, layers in enumerate(stages):
        term = _stage(_Stage(number, len(stages), layers), share)
        if isinstance(term, Refusal | Unavailable):
            return term
        terms.append(term if spec.held_ratio is None else doubted(term, spec.held_ratio))
    return tuple(terms)


def doubted(term: Term, ratio: float) -> Term:
    """Weights of a config that the files of the checkpoint contradict: they may weigh either."""
    held = round(term.bytes * ratio)
    because = f"{term.because}; the files of the checkpoint hold {ratio:.2f} times what config.json implies"
    return replace(term, because=because, basis="modelled", spread=(min(term.bytes, held), max(term.bytes, held)))


def matrices_on_stages(
    spec: ModelSpec, args: EngineArgs, gpu_capability: tuple[int, int]
) -> tuple[tuple[Matrix, ...], ...]:
    """The linears and tables of each pipeline stage as its ranks hold them; none where the weights are not derived."""
    dtype = model_dtype(spec, args, gpu_capability)
    chosen = plan(spec, args, gpu_capability)
    if spec.shapes_guessed or isinstance(dtype, Refusal) or not isinstance(chosen, Plan):
        return ()
    share = share_of(spec, args, dtype, chosen)
    stages = pipeline_stages(spec.num_layers, args.pipeline_parallel_size)
    return tuple(tuple(_matrices(_Stage(number, len(stages), layers), share)) for number, layers in enumerate(stages))


def _matrices(stage: _Stage, share: Share) -> Iterator[Matrix]:
    for placed in share.chosen.modules:
        module, copies = placed.module, stage.copies(placed.block)
        if copies == 0 or share.leaves_out(placed.block, module):
            continue
        if isinstance(module, Linear):
            local = local_linear(module, share.ranks(module), share.element(module))
        elif isinstance(module, Embedding):
            local = local_table(module, share.ranks(module), share.element(module))
        else:
            continue
        if isinstance(local, LocalLinear):
            yield Matrix(local, placed.scheme, copies * getattr(module, "replicas", 1))


# What a method keeps of 16 bits, for models of which only the number of parameters is told.
EIGHT_BIT_METHODS = frozenset({"fp8", "fp8_per_tensor", "fp8_per_block", "fp8_per_channel", "ptpc_fp8", "mxfp8"})


def _guessed(spec: ModelSpec, args: EngineArgs, element: int) -> tuple[Term, ...]:
    """A model known by its parameters alone: so many bytes each, shared out evenly."""
    each = 1 if (args.quantization or "").lower() in EIGHT_BIT_METHODS else element
    ranks, stages = args.tensor_parallel_size, args.pipeline_parallel_size
    size = -(-spec.parameters * each // (ranks * stages))
    because = f"{spec.parameters / 1e9:.1f} billion parameters of {each} bytes over {ranks * stages} GPUs"
    part = Term("parameters", size, because, "rule of thumb")
    return tuple(Term(f"weights of stage {stage}", size, because, "rule of thumb", (part,)) for stage in range(stages))


_NOT_ALLOCATED = frozenset({BUFFERS, AFTER_LOADING, LORA_SLOTS, CPU_OFFLOAD, DRAFT})


def allocated_bytes(stage: Term) -> int:
    """Parameter bytes of a stage as vLLM allocates them before loading, without rotary tables, adapters and drafts."""
    return sum(part.bytes for part in stage.parts if part.name not in _NOT_ALLOCATED)


def model_dtype(spec: ModelSpec, args: EngineArgs, gpu_capability: tuple[int, int]) -> str | Refusal:
    """The dtype of unquantized weights under these arguments (vllm/config/model.py, ``_get_and_verify_dtype``)."""
    wanted = args.dtype.lower()
    if wanted == "auto":
        return automatic(spec.model_type, spec.dtype, gpu_capability, pooling=spec.runner == "pooling")
    if wanted not in SPELLINGS:
        return Refusal(f"Unknown dtype: {args.dtype!r}")
    dtype = SPELLINGS[wanted]
    if dtype == "float16" and spec.model_type in NEEDS_MORE_RANGE_THAN_FLOAT16:
        return Refusal(f"The model type {spec.model_type!r} does not support float16: numerical instability.")
    return dtype


@dataclass(frozen=True, slots=True)
class Share:
    """What decides the share of every module that a rank holds.

    Shared experts are on every rank where ``whole_shared_experts``, and so are towers where ``whole_tower``.
    """

    spec: ModelSpec
    args: EngineArgs
    dtype: str
    chosen: Plan
    whole_shared_experts: bool = False
    whole_tower: bool = False
    slots: Slots | None = None

    def ranks(self, module: Module) -> int:
        """The ranks over which the module is divided."""
        if self.whole_tower and module_kind(module) == "tower":
            return 1
        whole = self.whole_shared_experts and isinstance(module, Linear) and module.kind == "shared_experts"
        return 1 if whole else self.args.tensor_parallel_size

    def leaves_out(self, block: Block, module: Module) -> bool:
        """Whether the module is not built at all."""
        return module_kind(module) == "tower" and is_left_out(self.spec, self.args, block)

    def element(self, module: Linear | Parameter | Embedding | Rotary) -> int:
        """Bytes of one unquantized weight of the module."""
        return BYTES[module.dtype or self.dtype]


def share_of(spec: ModelSpec, args: EngineArgs, dtype: str, chosen: Plan) -> Share:
    """How ranks share the modules of ``chosen``."""
    slots = slots_of(args, dtype) if has_adapters(spec, args) else None
    return Share(spec, args, dtype, chosen, shared_experts_are_whole(spec, args), is_whole(spec, args), slots)


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix as one rank holds it, how it is stored, and how many alike there are."""

    local: LocalLinear
    scheme: Scheme
    copies: int


@dataclass(frozen=True, slots=True)
class _Stage:
    """A pipeline stage: its number, how many there are, and its first and one-past-last layer."""

    number: int
    of: int
    layers: tuple[int, int]

    @property
    def is_first(self) -> bool:
        return self.number == 0

    @property
    def is_last(self) -> bool:
        return self.number == self.of - 1

    def copies(self, block: Block) -> int:
        """How many times the modules of ``block`` stand on this stage."""
        if block.place == "layers":
            return sum(self.layers[0] <= layer < self.layers[1] for layer in block.layers)
        here = {
            "first": self.is_first,
            "last": self.is_last,
            "tied": self.is_last and not self.is_first,
            "every": True,
        }
        return (len(block.layers) or 1) * here[block.place]


def _sharing(kind: str, args: EngineArgs) -> int:
    """The ranks that share the modules of a kind: experts also across data-parallel ranks."""
    return args.tensor_parallel_size * (args.data_parallel_size if kind == "experts" else 1)


def _stage(stage: _Stage, share: Share) -> Term | Refusal | Unavailable:
    kinds: dict[str, KindOfWeights] = {}
    tables: set[tuple[str, int, int, int]] = set()
    movable = largest = 0
    for placed in share.chosen.modules:
        module = placed.module
        copies = stage.copies(placed.block)
        if copies == 0 or share.leaves_out(placed.block, module):
            continue
        if isinstance(module, Rotary):
            tables.add((module.identity, module.positions, module.dims, share.element(module)))
            continue
        stored = module_bytes(placed, share)
        if isinstance(stored, Refusal):
            return stored
        kinds.setdefault(module_kind(module), KindOfWeights()).add(
            placed, stored.times(copies), copies, share.ranks(module)
        )
        if placed.block.place == "layers":
            movable, largest = movable + stored.allocated * copies, max(largest, stored.allocated)
    term = _term(stage, kinds, sum(rows * dims * size for _, rows, dims, size in tables), share)
    if share.args.cpu_offload_gb:
        offloaded = moved(term, share.args, movable, largest)
        if isinstance(offloaded, Unavailable):
            return offloaded
        term = offloaded
    return term if share.slots is None else _with_adapters(term, stage, share, share.slots)


def _with_adapters(term: Term, stage: _Stage, share: Share, slots: Slots) -> Term | Refusal:
    """The stage with the places for adapters on its layers, those of towers aside."""
    amount = 0
    for placed in share.chosen.modules:
        copies = stage.copies(placed.block)
        if copies == 0 or (share.spec.tower and module_kind(placed.module) == "tower"):
            continue
        each = slot_bytes(placed, share.spec, share.args, slots, share.ranks(placed.module))
        if isinstance(each, Refusal):
            return each
        amount += each * copies
    head = head_bytes(share.spec, slots) if _has_head(stage, share.chosen) else 0
    if isinstance(head, Refusal):
        return head
    because = f"{slots.count} adapters of rank {slots.rank} on every layer that may have one"
    part = Term(LORA_SLOTS, amount + head, because, share.chosen.basis)
    return replace(term, bytes=term.bytes + part.bytes, parts=(*term.parts, part))


def _has_head(stage: _Stage, chosen: Plan) -> bool:
    """Whether the stage has the output head, of its own or tied to the input table."""
    heads = [each.block for each in chosen.modules if isinstance(each.module, Embedding) and each.module.head]
    return any(stage.copies(block) for block in heads) if heads else stage.is_last


def _term(stage: _Stage, kinds: dict[str, KindOfWeights], buffers: int, share: Share) -> Term:
    args, basis = share.args, share.chosen.basis
    parts = [
        Term(name, kind.stored.allocated, kind.because(_sharing(name, args)), basis) for name, kind in kinds.items()
    ]
    parts.append(Term(BUFFERS, buffers, f"rotary tables of {buffers / MIB:.1f} MiB"))
    change = sum(kind.stored.resident - kind.stored.allocated for kind in kinds.values())
    if change:
        parts.append(Term(AFTER_LOADING, change, f"repacking after loading changes {change / MIB:+.1f} MiB"))
    first, end = stage.layers
    because = f"layers {first} to {end - 1}"
    return Term(f"weights of stage {stage.number}", sum(part.bytes for part in parts), because, basis, tuple(parts))


def module_kind(module: Module) -> str:
    """The kind under which a module's bytes are counted."""
    if isinstance(module, RoutedExperts):
        return "experts"
    return "attention" if isinstance(module, Attention | Rotary) else module.kind


def module_bytes(placed: Placed, share: Share) -> Stored | Refusal:
    """Bytes of one module on one rank."""
    module, scheme = placed.module, placed.scheme
    ranks = share.ranks(module)
    if isinstance(module, Attention):
        kv_heads = max(1, module.kv_heads // ranks)
        return Stored(share.chosen.attention.bytes_of(module, kv_heads, BYTES[share.dtype]), 0)
    if isinstance(module, Linear):
        return _linear(module, scheme, ranks, share.element(module))
    if isinstance(module, RoutedExperts):
        return _experts(module, scheme, share.args, BYTES[share.dtype])
    if isinstance(module, Embedding):
        return _embedding(module, scheme, ranks, share.element(module))
    if isinstance(module, Parameter):
        return _parameter(module, ranks, share.element(module))
    return NOTHING


def _linear(module: Linear, scheme: Scheme, ranks: int, element: int) -> Stored | Refusal:
    local = local_linear(module, ranks, element)
    if isinstance(local, Refusal):
        return local
    stored = scheme.linear(local)
    if isinstance(stored, Refusal):
        return stored
    if module.absorbed and not isinstance(scheme, Unquantized):
        stored += Stored(0, local.weights * element)
    return stored.times(module.replicas)


def local_linear(module: Linear, ranks: int, element: int) -> LocalLinear | Refusal:
    """One rank's share of a linear."""
    ranks = 1 if module.even % ranks else ranks
    rows = _rows(module.parts, ranks if module.split == "column" else 1)
    if isinstance(rows, Refusal):
        return rows
    if module.merges and any(part.replicable and part.units % ranks for part in module.parts):
        rows = (sum(rows),)
    padding = -sum(rows) % module.align
    rows = (*rows, padding) if padding else rows
    cols = local_units(Part(module.name, module.cols), ranks if module.split == "row" else 1)
    if isinstance(cols, Refusal):
        return cols
    whole = sum(part.rows for part in module.parts)
    return LocalLinear(rows, cols, module.cols, whole, module.bias, element)


def _rows(parts: tuple[Part, ...], ranks: int) -> tuple[int, ...] | Refusal:
    rows = []
    for part in parts:
        units = local_units(part, ranks)
        if isinstance(units, Refusal):
            return units
        rows.append(units * part.width)
    return tuple(rows)


def _parameter(module: Parameter, ranks: int, element: int) -> Stored | Refusal:
    rows = _rows(module.parts, ranks if module.split else 1)
    if isinstance(rows, Refusal):
        return rows
    size = sum(rows) * module.cols * element * module.replicas
    return Stored(size, size)


def _embedding(module: Embedding, scheme: Scheme, ranks: int, element: int) -> Stored | Refusal:
    local = local_table(module, ranks, element)
    return local if isinstance(local, Refusal) else scheme.linear(local)


def local_table(module: Embedding, ranks: int, element: int) -> LocalLinear | Refusal:
    """One rank's share of an embedding table or an output head."""
    vocab = padded_vocab(module.vocab, module.padding)
    rows = local_units(Part("vocabulary", vocab), ranks)
    if isinstance(rows, Refusal):
        return rows
    return LocalLinear((rows,), module.hidden, module.hidden, vocab, module.bias, element)


def _experts(module: RoutedExperts, scheme: Scheme, args: EngineArgs, element: int) -> Stored | Refusal:
    share = expert_share(module.count, args)
    width = local_units(Part("expert width", module.width), share.slices)
    if isinstance(width, Refusal):
        return width
    width = max(width, module.least_width) if share.slices > 1 else width
    return scheme.experts(
        LocalExperts(
            share.experts,
            width,
            module.hidden,
            2 if module.gated else 1,
            module.bias,
            element,
            share.slices,
            module.count + args.num_redundant_experts,
        )
    )
