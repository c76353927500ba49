"""The widest moment of the forward pass of vLLM's profile run, layer by layer, from the shapes of the modules.

A layer's buffers are freed as soon as nothing reads them, so what counts is one moment: the MLP between its two
products, the experts between theirs, or attention around its kernel. Symbols: T tokens, H hidden size, I width of an
MLP on a rank, k experts per token, b bytes of a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vram_engine.facts.versions import Version
from vram_engine.hardware import Gpu
from vram_engine.model.caches_kinds import MLA, CompressedIndexer, GatedDeltaNet, Indexer
from vram_engine.model.spec import Block, Kind, Linear, ModelSpec, Part, RoutedExperts
from vram_engine.sizing.batch import Batch
from vram_engine.sizing.budget import MIB, Term
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import Era
from vram_engine.sizing.parallelism import expert_share

VALUE = 2
FLOAT32 = 4
MLP_KINDS: tuple[Kind, ...] = ("dense_mlp", "shared_experts")
WORKSPACE_PERSISTS = Version(0, 14, 0)
MODULAR_EXPERTS = Version(0, 14, 0)
# Until 0.16 the experts ran over so many tokens at a time (VLLM_FUSED_MOE_CHUNK_SIZE).
EXPERT_CHUNKS: tuple[tuple[Version, int], ...] = ((Version(0, 0, 0), 32768), (Version(0, 12, 0), 16384))
EXPERT_CHUNKS_END = Version(0, 17, 0)
# DeepGEMM pads each expert's rows to this many, and takes no product narrower than so many rows.
DEEP_GEMM_ALIGNMENT = 128
DEEP_GEMM_NARROWEST = 512
DEEP_GEMM_CAPABILITIES = (9, 10)
DEEP_GEMM_SINCE = Version(0, 11, 0)
# Triton's do_bench writes over this much between two timings.
TUNING_FLUSH_BYTES = 256 * MIB
TUNED_SINCE = Version(0, 17, 0)
INDEXER_REQUESTS = 40
INDEXER_LOGITS_BYTES = 512 * MIB
INDEXER_LOGITS_SINCE = Version(0, 19, 0)
MLA_WORKSPACE_ROWS = 64 * 1024
MLA_SIMULATED_SINCE = Version(0, 10, 0)


@dataclass(frozen=True, slots=True)
class Moment:
    """Bytes that live at once: ``width`` values per token, and ``fixed`` bytes whatever the tokens.

    ``profiled`` bytes are there in the profile run alone, which pretends and tunes what other steps do not.
    """

    name: str
    width: int
    fixed: int = 0
    profiled: int = 0


def compiled(args: EngineArgs, era: Era) -> bool:
    """Whether the model runs as torch.compile pieces: V1 and V2, unless eager."""
    return era.runner != "V0" and not args.enforce_eager


def forward_peak(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era, gpu: Gpu) -> Term:
    """The widest moment of the profile run in any layer for T tokens, but for workspaces that stay allocated."""
    return _widest(list(_moments(spec, args, batch, era, gpu)), batch.max_num_batched_tokens, spec)


def step_peak(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era, gpu: Gpu) -> Term:
    """The same of a step of one token for each of T requests, as it is captured."""
    tokens = batch.max_num_batched_tokens
    moments = [replace(moment, profiled=0) for moment in _moments(spec, args, batch, era, gpu)]
    if positions := _indexed_positions(spec, args):
        moments.append(Moment("indexer", 0, tokens * positions * FLOAT32))
    return _widest(moments, tokens, spec)


def _widest(moments: Sequence[Moment], tokens: int, spec: ModelSpec) -> Term:
    if not moments:
        return Term("forward pass", 0, "no layer is known", "modelled", spread=(0, tokens * spec.hidden_size * 8))
    widest = max(moments, key=lambda moment: tokens * VALUE * moment.width + moment.fixed + moment.profiled)
    amount = tokens * VALUE * widest.width + widest.fixed + widest.profiled
    because = f"{tokens:,} tokens × {VALUE} B × {widest.width:,} values alive in the {widest.name}"
    return Term("forward pass", amount, because, "modelled", spread=(int(amount * 0.85), int(amount * 1.15) + 16 * MIB))


def _moments(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era, gpu: Gpu) -> Iterator[Moment]:
    for block in spec.modules:
        if block.place == "layers":
            yield from _block_moments(block, spec, args, batch, era, gpu)


def _block_moments(
    block: Block, spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era, gpu: Gpu
) -> Iterator[Moment]:
    tp = args.tensor_parallel_size
    hidden = spec.hidden_size
    _, attention_in = _widths(block, ("attention", "mamba"), tp)
    kept = 2 * hidden + (attention_in if compiled(args, era) else hidden)
    reduced = 2 * hidden if tp > 1 else hidden
    for kind in MLP_KINDS:
        up, down = _widths(block, (kind,), tp)
        if up or down:
            yield Moment("MLP", up + down + kept)
            yield Moment("MLP", down + reduced + kept)
    context = _latent_context(spec, args, batch, era) + _indexer_logits(spec, era)
    for kind, profiled in (("attention", context), ("mamba", _tuning(spec, era))):
        into, out = _widths(block, (kind,), tp)
        if out:
            yield Moment(kind, into + 2 * out + 2 * hidden, profiled=profiled)
    for experts in _experts(block):
        shared = hidden if _widths(block, ("shared_experts",), tp)[0] else 0
        passing = 0 if workspace_persists(era) else _expert_bytes(experts, spec, args, batch, era, gpu)
        yield Moment("experts", kept + hidden + reduced + shared + experts.count, passing)


def _widths(block: Block, kinds: tuple[Kind, ...], tp: int) -> tuple[int, int]:
    """Values per token that the products of these kinds make, and that their closing product reads, on one rank."""
    made = read = 0
    for module in block.modules:
        if isinstance(module, Linear) and module.kind in kinds:
            if module.split == "row":
                read = max(read, -(-module.cols // tp))
            else:
                made += sum(_local_rows(part, tp, module.split == "none") for part in module.parts)
    return made, read


def _local_rows(part: Part, tp: int, replicated: bool) -> int:
    if part.whole or replicated:
        return part.rows
    if part.replicable:
        return max(1, part.units // tp) * part.width
    return -(-part.units // tp) * part.width


def _experts(block: Block) -> Iterator[RoutedExperts]:
    return (module for module in block.modules if isinstance(module, RoutedExperts))


def workspace_persists(era: Era) -> bool:
    """Whether expert buffers come from a workspace that stays allocated after the profile run."""
    return era.version >= WORKSPACE_PERSISTS


def shared_workspace(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era, gpu: Gpu) -> Term:
    """The workspace that layers share and that stays allocated (``WorkspaceManager``): as large as the largest need."""
    needs = [_gathered_keys(spec, args)]
    needs += [
        _expert_bytes(experts, spec, args, batch, era, gpu) for block in spec.modules for experts in _experts(block)
    ]
    amount = max(needs) if workspace_persists(era) else 0
    because = f"experts or indexer, for {batch.max_num_batched_tokens:,} tokens"
    return Term("shared workspace", amount, because, "modelled", spread=(int(amount * 0.6), int(amount * 1.3)))


def _gathered_keys(spec: ModelSpec, args: EngineArgs) -> int:
    """Room for the keys of 40 longest requests that a sparse layer's indexer gathers (``sparse_attn_indexer``)."""
    length = args.max_model_len or spec.length or 0
    sizes = [cache.token_bytes for cache in spec.caches if isinstance(cache, Indexer)]
    sizes += [cache.token_bytes // cache.ratio for cache in spec.caches if isinstance(cache, CompressedIndexer)]
    return INDEXER_REQUESTS * length * max(sizes, default=0)


def _expert_bytes(experts: RoutedExperts, spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era, gpu: Gpu) -> int:
    """What the expert kernels allocate between the router and their output (``workspace_shapes``)."""
    if spec.experts is None:
        return 0
    share = expert_share(experts.count, args)
    width = -(-experts.width // share.slices)
    made = (2 if experts.gated else 1) * width
    hidden = experts.hidden
    tokens = _expert_tokens(batch, args, era)
    rows = tokens * spec.experts.per_token
    output = batch.max_num_batched_tokens * hidden * VALUE
    if _deep_gemm(spec, made, era, gpu):
        rows += share.experts * (DEEP_GEMM_ALIGNMENT - 1)
    if era.version < MODULAR_EXPERTS:
        return rows * (max(made, hidden) + width) * VALUE + output
    return max(rows * max(width, hidden) * VALUE, output) + rows * max(made, hidden) * VALUE


def _expert_tokens(batch: Batch, args: EngineArgs, era: Era) -> int:
    tokens = batch.max_num_batched_tokens * (args.data_parallel_size if args.enable_expert_parallel else 1)
    if era.version >= EXPERT_CHUNKS_END:
        return tokens
    chunk = max(row for row in EXPERT_CHUNKS if row[0] <= era.version)[1]
    return min(tokens, chunk)


def _deep_gemm(spec: ModelSpec, made: int, era: Era, gpu: Gpu) -> bool:
    quantization = spec.quantization
    return (
        quantization is not None
        and quantization.default is not None
        and quantization.default.block is not None
        and era.version >= DEEP_GEMM_SINCE
        and gpu.capability is not None
        and gpu.capability[0] in DEEP_GEMM_CAPABILITIES
        and made > DEEP_GEMM_NARROWEST
        and made % DEEP_GEMM_ALIGNMENT == 0
    )


def _indexer_logits(spec: ModelSpec, era: Era) -> int:
    """A sparse layer's indexer sets this much aside for its logits while profiling."""
    sparse = any(isinstance(cache, Indexer | CompressedIndexer) for cache in spec.caches)
    return INDEXER_LOGITS_BYTES if sparse and era.version >= INDEXER_LOGITS_SINCE else 0


def _indexed_positions(spec: ModelSpec, args: EngineArgs) -> int:
    """The positions a sparse layer's indexer scores for each token of a decode step (``fp8_paged_mqa_logits``)."""
    ratios = [1 for cache in spec.caches if isinstance(cache, Indexer)]
    ratios += [cache.ratio for cache in spec.caches if isinstance(cache, CompressedIndexer)]
    length = args.max_model_len or spec.length or 0
    return length // min(ratios) if ratios else 0


def _tuning(spec: ModelSpec, era: Era) -> int:
    """Gated delta nets tune their prefill kernels while profiling, around a buffer that flushes the L2 cache."""
    tuned = any(isinstance(cache, GatedDeltaNet) for cache in spec.caches)
    return TUNING_FLUSH_BYTES if tuned and era.version >= TUNED_SINCE else 0


def _latent_context(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era) -> int:
    """Dense MLA pretends, while profiling, to project a whole context back up to keys and values of every head."""
    latent = next((cache for cache in spec.caches if isinstance(cache, MLA) and not cache.sparse), None)
    if latent is None or era.runner == "V0" or era.version < MLA_SIMULATED_SINCE:
        return 0
    length = args.max_model_len or spec.length or 0
    pages = batch.max_num_seqs * (args.block_size or 16)
    rows = max(min(max(8 * length, 4 * pages), MLA_WORKSPACE_ROWS), pages)
    heads = -(-spec.num_attention_heads // args.tensor_parallel_size)
    return rows * heads * 2 * latent.qk_nope_head_dim * VALUE
