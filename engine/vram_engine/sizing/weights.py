"""The weights of one pipeline stage on one tensor-parallel rank, as a Term for each stage.

Follows what vLLM's model classes allocate (``create_weights``) and keep (``process_weights_after_loading``).
"""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.facts.dtypes import BYTES, SPELLINGS, NEEDS_MORE_RANGE_THAN_FLOAT16, automatic
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
from vram_engine.sizing.parallelism import (
    Refusal,
    expert_share,
    local_units,
    padded_vocab,
    parallel_refusals,
    pipeline_stages,
)
from vram_engine.sizing.quantization import NOTHING, LocalExperts, LocalLinear, Scheme, Stored, Unquantized
from vram_engine.sizing.schemes import Placed, Plan, plan

BUFFERS = "buffers"
AFTER_LOADING = "after loading"


def weights(
    spec: ModelSpec, args: EngineArgs, gpu_capability: tuple[int, int]
) -> tuple[Term, ...] | Refusal | Unavailable:
    """One Term per pipeline stage: bytes that stay on each of its tensor-parallel ranks after loading.

    Parts are the kinds of weights as allocated, the rotary tables (``buffers``), and the difference that repacking
    makes (``after loading``, of either sign).
    """
    for refusal in parallel_refusals(spec, args):
        return refusal
    dtype = model_dtype(spec, args, gpu_capability)
    if isinstance(dtype, Refusal):
        return dtype
    chosen = plan(spec, args, gpu_capability)
    if not isinstance(chosen, Plan):
        return chosen
    stages = pipeline_stages(spec.num_layers, args.pipeline_parallel_size)
    terms = []
    for number, layers in enumerate(stages):
        term = _stage(_Stage(number, len(stages), layers), spec, args, dtype, chosen)
        if isinstance(term, Refusal):
            return term
        terms.append(term)
    return tuple(terms)


def allocated_bytes(stage: Term) -> int:
    """Parameter bytes of a stage as vLLM allocates them before loading, without rotary tables."""
    return sum(part.bytes for part in stage.parts if part.name not in {BUFFERS, AFTER_LOADING})


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


def _stage(stage: _Stage, spec: ModelSpec, args: EngineArgs, dtype: str, chosen: Plan) -> Term | Refusal:
    kinds: dict[str, Stored] = {}
    tables: set[tuple[str, int, int, int]] = set()
    for placed in chosen.modules:
        module = placed.module
        copies = stage.copies(placed.block)
        if copies == 0:
            continue
        if isinstance(module, Rotary):
            tables.add((module.identity, module.positions, module.dims, BYTES[module.dtype or dtype]))
            continue
        stored = module_bytes(placed, chosen, args, dtype)
        if isinstance(stored, Refusal):
            return stored
        kinds[module_kind(module)] = kinds.get(module_kind(module), NOTHING) + stored.times(copies)
    return _term(stage, kinds, sum(rows * dims * size for _, rows, dims, size in tables), args)


def _term(stage: _Stage, kinds: dict[str, Stored], buffers: int, args: EngineArgs) -> Term:
    parts = [Term(kind, stored.allocated, _because(kind, stored.allocated, args)) for kind, stored in kinds.items()]
    parts.append(Term(BUFFERS, buffers, f"rotary tables of {buffers / MIB:.1f} MiB"))
    change = sum(stored.resident - stored.allocated for stored in kinds.values())
    if change:
        parts.append(Term(AFTER_LOADING, change, f"repacking after loading changes {change / MIB:+.1f} MiB"))
    first, end = stage.layers
    because = f"layers {first} to {end - 1} on each of {args.tensor_parallel_size} tensor-parallel ranks"
    return Term(f"weights of stage {stage.number}", sum(part.bytes for part in parts), because, parts=tuple(parts))


def _because(kind: str, size: int, args: EngineArgs) -> str:
    return f"{kind.replace('_', ' ')}: {size / MIB:,.1f} MiB a rank at a tensor parallel size of {args.tensor_parallel_size}"


def module_kind(module: Module) -> str:
    """The kind under which a module's bytes are counted."""
    if isinstance(module, RoutedExperts):
        return "experts"
    return "attention" if isinstance(module, Attention | Rotary) else module.kind


def module_bytes(placed: Placed, chosen: Plan, args: EngineArgs, dtype: str) -> Stored | Refusal:
    """Bytes of one module on one rank."""
    module, scheme = placed.module, placed.scheme
    if isinstance(module, Attention):
        kv_heads = max(1, module.kv_heads // args.tensor_parallel_size)
        return Stored(chosen.attention.bytes_of(module, kv_heads, BYTES[dtype]), 0)
    if isinstance(module, Linear):
        return _linear(module, scheme, args.tensor_parallel_size, BYTES[module.dtype or dtype])
    if isinstance(module, RoutedExperts):
        return _experts(module, scheme, args, BYTES[dtype])
    if isinstance(module, Embedding):
        return _embedding(module, scheme, args.tensor_parallel_size, BYTES[module.dtype or dtype])
    if isinstance(module, Parameter):
        return _parameter(module, args.tensor_parallel_size, BYTES[module.dtype or dtype])
    return NOTHING


def _linear(module: Linear, scheme: Scheme, ranks: int, element: int) -> Stored | Refusal:
    ranks = 1 if module.even % ranks else ranks
    rows = _rows(module.parts, ranks if module.split == "column" else 1)
    if isinstance(rows, Refusal):
        return rows
    cols = local_units(Part(module.name, module.cols), ranks if module.split == "row" else 1)
    if isinstance(cols, Refusal):
        return cols
    whole = sum(part.rows for part in module.parts)
    local = LocalLinear(rows, cols, module.cols, whole, module.bias, element)
    stored = scheme.linear(local)
    if isinstance(stored, Refusal):
        return stored
    if module.absorbed and not isinstance(scheme, Unquantized):
        stored += Stored(0, local.weights * element)
    return stored.times(module.replicas)


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
    vocab = padded_vocab(module.vocab, module.padding)
    rows = local_units(Part("vocabulary", vocab), ranks)
    if isinstance(rows, Refusal):
        return rows
    return scheme.linear(LocalLinear((rows,), module.hidden, module.hidden, vocab, module.bias, element))


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
