"""One deployment, one model, one node: which estimator answers, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from vram_engine.beside import awake_peers, free_at_start
from vram_engine.deployment import Deployment
from vram_engine.hardware import Gpu, Node
from vram_engine.model.eagle import ONLY_DRAFTS
from vram_engine.model.length import derived_max_model_len
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.resolution import engine_args
from vram_engine.sizing.budget import GIB, Budget, Interval, RankBytes, Term, total
from vram_engine.sizing.calibration import calibrated, measured_for
from vram_engine.sizing.closed_form import FRAGMENTATION, QUANTIZED_BYTES, RoughInput, Shapes, closed_form
from vram_engine.sizing.demand import KvDemand, PagedDemand, RoughDemand
from vram_engine.sizing.drafts import with_draft
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.kv_cache import KvLayout, kv_layout
from vram_engine.sizing.parallelism import Refusal
from vram_engine.sizing.speculative import NGRAM, drafter
from vram_engine.sizing.startup import Range, Stage, StartupBudget, overridden, startup
from vram_engine.sizing.weights import DRAFT, weights

# ``--max-model-len auto`` is -1 to vLLM.
AUTO_LENGTH = -1

# These run vLLM's own GPU worker; other accelerators bring theirs in a plug-in.
_FOLLOWED_VENDORS = frozenset({"nvidia", "amd"})

# What stands in where a GPU is known by its memory alone (see resolution).
_ASSUMED_CAPABILITY = (8, 0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A budget, and the KV cache as questions. ``layout`` is None for the rule of thumb."""

    budget: Budget
    demand: KvDemand
    native_length: int
    layout: KvLayout | None
    kv_is_16bit: bool
    bytes_per_block: int | None = None


def estimate(deployment: Deployment, spec: ModelSpec, node: Node) -> Estimate | Refusal | Unavailable:
    """Size a deployment with the estimator in force: ``closed_form`` when asked for or when shapes were guessed."""
    args = engine_args(deployment)
    if estimator_of(deployment, spec) == "closed_form":
        return _rough(deployment, spec, args, node.gpu)
    return _startup(deployment, spec, args, node.gpu)


def estimator_of(deployment: Deployment, spec: ModelSpec) -> str:
    """``closed_form`` or ``startup``."""
    return deployment.text("estimator") or ("closed_form" if spec.shapes_guessed else "startup")


def _startup(deployment: Deployment, spec: ModelSpec, args: EngineArgs, gpu: Gpu) -> Estimate | Refusal | Unavailable:
    native = derived_max_model_len(spec, args.vllm_version, disable_sliding_window=args.disable_sliding_window)
    if deployment.integer("max-model-len") == AUTO_LENGTH:
        return _longest(deployment, spec, args, gpu, native)
    length = args.max_model_len if args.max_model_len is not None else native
    return _at_length(deployment, spec, args, gpu, length, native)


def _longest(
    deployment: Deployment, spec: ModelSpec, args: EngineArgs, gpu: Gpu, native: int
) -> Estimate | Refusal | Unavailable:
    """``--max-model-len auto``: vLLM takes the longest length that fits, up to the model's own.

    Sized for the length it takes at the unkind end: whatever else turns out, it is at least that.
    """
    if args.speculative_method in NGRAM:
        return Unavailable("what drafting tokens keeps with max-model-len auto is not modelled yet")
    whole = _at_length(deployment, spec, args, gpu, native, native)
    if not isinstance(whole, Estimate):
        return whole
    length = whole.demand.max_length(whole.budget.available.low, 1, native)
    return _at_length(deployment, spec, args, gpu, max(length, 1), native)


def _at_length(
    deployment: Deployment, spec: ModelSpec, args: EngineArgs, gpu: Gpu, length: int, native: int
) -> Estimate | Refusal | Unavailable:
    if gpu.vendor not in _FOLLOWED_VENDORS:
        return Unavailable(f"vLLM's start-up is followed on NVIDIA and AMD GPUs only, and {gpu.name} is neither")
    if args.quantization == "int8":
        return Unavailable(
            "int8 means a checkpoint stored in 8 bits: name that checkpoint, whose config.json says how it is stored"
        )
    if spec.architecture in ONLY_DRAFTS:
        return Unavailable(f"{spec.architecture} drafts tokens for another model and is not served by itself")
    capability = gpu.capability or _ASSUMED_CAPABILITY
    stages = weights(spec, args, capability)
    if not isinstance(stages, Refusal | Unavailable):
        stages = with_draft(stages, spec, args, capability, length)
    if isinstance(stages, Refusal | Unavailable):
        return stages
    free = free_at_start(deployment, gpu.memory_bytes)
    if isinstance(free, Unavailable):
        return free
    spent = startup(spec, args, gpu, stages, max_model_len=length, free_bytes=free)
    if isinstance(spent, Unavailable):
        return spent
    if awake_peers(deployment) and not spent.era.free_memory_checked:
        return Unavailable("what this release makes of other engines' memory on the same GPU is not followed")
    row = measured_for(deployment.measured, deployment.text("model"), spec, gpu, args, spent.batch)
    spent = spent if row is None else calibrated(spent, row)
    layout = kv_layout(
        spec,
        args,
        gpu.capability,
        max_num_batched_tokens=spent.batch.max_num_batched_tokens,
        max_model_len=length,
    )
    if isinstance(layout, Unavailable):
        return layout
    if args.num_gpu_blocks_override is not None:
        spent = overridden(spent, layout.bytes_per_block, args.num_gpu_blocks_override)
    fullest = _fullest(spent, layout)
    per_block = layout.bytes_per_block[fullest]
    demand = PagedDemand(layout.on_stage(fullest), _waste(deployment, 1))
    is_16bit = layout.cache_dtype in ("auto", "float16", "bfloat16") and per_block > 0
    return Estimate(
        _budget(spent, layout, spec, args, gpu, length, fullest),
        demand,
        native,
        layout,
        is_16bit,
        per_block or None,
    )


def _fullest(spent: StartupBudget, layout: KvLayout) -> int:
    """The pipeline stage with the fewest blocks decides for all; without a KV cache, the one with the least left."""
    left = [
        (stage.kv_cache_available.expected // max(block, 1), stage.kv_cache_available.expected)
        for stage, block in zip(spent.stages, layout.bytes_per_block, strict=True)
    ]
    return left.index(min(left))


def _budget(
    spent: StartupBudget,
    layout: KvLayout,
    spec: ModelSpec,
    args: EngineArgs,
    gpu: Gpu,
    length: int,
    fullest: int,
) -> Budget:
    ranks = tuple(
        RankBytes(number, stage.weights.bytes, block, _taken(stage, spec, args), _interval(stage.kv_cache_available))
        for number, (stage, block) in enumerate(zip(spent.stages, layout.bytes_per_block, strict=True))
    )
    weights_term, activations, cuda_graphs, other = ranks[fullest].terms
    return Budget(
        estimator="startup",
        memory_bytes=gpu.memory_bytes,
        requested_bytes=spent.requested,
        weights=weights_term,
        activations=activations,
        cuda_graphs=cuda_graphs,
        non_torch=other,
        available=_interval(spent.stages[fullest].kv_cache_available),
        max_model_len=length,
        ranks=ranks,
        block_size=layout.block_size,
        free_bytes=spent.free_memory.free if spent.free_memory is not None else None,
        slack_bytes=spent.slack if spent.era.free_memory_checked else None,
        kv_is_fixed=args.kv_cache_memory_bytes is not None,
        notes=(
            f"max_num_batched_tokens {spent.batch.max_num_batched_tokens:,}: {spent.batch.tokens_why}",
            f"max_num_seqs {spent.batch.max_num_seqs:,}: {spent.batch.seqs_why}",
            *_drafting_note(spec, args),
        ),
    )


def _taken(stage: Stage, spec: ModelSpec, args: EngineArgs) -> tuple[Term, Term, Term, Term]:
    """What a stage spends before its KV cache, under the four names that people know."""
    weights_term, activations, non_torch, cuda_graphs, *resident = stage.spent.parts
    return (
        replace(weights_term, name="weights", because=_dealt_out(weights_term, spec, args)),
        replace(activations, name="activations"),
        replace(cuda_graphs, name="CUDA graphs"),
        total("other memory", "what vLLM holds beside weights", non_torch, *resident),
    )


def _interval(left: Range) -> Interval:
    return Interval(left.low, left.expected, left.high)


def _drafting_note(spec: ModelSpec, args: EngineArgs) -> tuple[str, ...]:
    draft = drafter(spec, args)
    if draft is None:
        return ()
    layers = "1 layer that drafts" if draft.layers == 1 else f"{draft.layers} layers that draft"
    return (f"the KV cache holds keys and values of {layers} as well, {args.num_speculative_tokens} tokens a step",)


def _dealt_out(term: Term, spec: ModelSpec, args: EngineArgs) -> str:
    """How the weights come to one GPU, in words; the term itself says which layers."""
    gpus = args.tensor_parallel_size * args.pipeline_parallel_size
    shared = f", dealt out to {gpus} GPUs" if gpus > 1 else ""
    drafts = (f"; {part.bytes / GIB:.2f} GiB of it for {part.because}" for part in term.parts if part.name == DRAFT)
    return f"{spec.parameters / 1e9:.2f} B parameters{shared}; {term.because}{''.join(drafts)}"


def _rough(deployment: Deployment, spec: ModelSpec, args: EngineArgs, gpu: Gpu) -> Estimate | Unavailable:
    asked = _rough_input(deployment, spec, args, gpu)
    if isinstance(asked, Unavailable):
        return asked
    group = closed_form(asked)
    ranks = asked.tensor_parallel_size
    available = group.available // ranks
    budget = Budget(
        estimator="closed_form",
        memory_bytes=gpu.memory_bytes,
        requested_bytes=group.allocatable // ranks,
        weights=replace(group.weights, bytes=group.weights.bytes // ranks),
        activations=None,
        cuda_graphs=None,
        non_torch=replace(group.overhead, bytes=group.overhead.bytes // ranks),
        available=Interval(available, available, available),
        max_model_len=asked.context,
        ranks=(RankBytes(0, group.weights.bytes // ranks, None),),
    )
    native = derived_max_model_len(spec, args.vllm_version)
    is_16bit = asked.kv_cache_dtype in ("auto", "float16", "bfloat16")
    return Estimate(budget, RoughDemand(group), max(native, asked.context), None, is_16bit)


def _rough_input(deployment: Deployment, spec: ModelSpec, args: EngineArgs, gpu: Gpu) -> RoughInput | Unavailable:
    quantization = args.quantization or (spec.quantization.method if spec.quantization is not None else None)
    if quantization is not None and quantization not in QUANTIZED_BYTES:
        return Unavailable(f"the rule of thumb knows no bytes per parameter for {quantization}")
    overhead = deployment.number("overhead-gib")
    context = args.max_model_len or _tokens_asked(deployment) or derived_max_model_len(spec, args.vllm_version)
    return RoughInput(
        parameters=spec.parameters,
        shapes=Shapes(spec.num_layers, spec.num_key_value_heads, spec.head_dim),
        gpu_bytes=gpu.memory_bytes,
        context=context,
        concurrency=deployment.integer("concurrency") or 1,
        dtype=_DTYPE.get(args.dtype, args.dtype),
        quantization=quantization,
        kv_cache_dtype=args.kv_cache_dtype,
        tensor_parallel_size=args.tensor_parallel_size,
        gpu_memory_utilization=args.gpu_memory_utilization or 0.90,
        overhead_bytes=None if overhead is None else round(overhead * GIB),
        fragmentation=float(_waste(deployment, FRAGMENTATION)),
    )


_DTYPE = {"half": "float16", "float": "float32"}


def _tokens_asked(deployment: Deployment) -> int:
    """Tokens of one request, where the file says how long prompts and answers are."""
    return (deployment.integer("prompt-tokens") or 0) + (deployment.integer("gen-tokens") or 0)


def _waste(deployment: Deployment, default: float) -> Fraction:
    """The fragmentation factor the file sets; paging is exact, so ``startup`` has none of its own."""
    said = deployment.number("fragmentation-factor")
    return Fraction(str(default if said is None else said))
