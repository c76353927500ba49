"""How one model is dealt out to ranks: pipeline stages, tensor-parallel shares and expert shares, or vLLM's refusal."""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.model.spec import ModelSpec, Part
from vram_engine.sizing.engine_args import EngineArgs

VOCAB_PADDING = 64


@dataclass(frozen=True, slots=True)
class Refusal:
    """vLLM would not start, for a reason that can be seen beforehand. ``message`` is a sentence for the user."""

    message: str


@dataclass(frozen=True, slots=True)
class ExpertShare:
    """What one rank holds of a layer's routed experts: how many, and into how many slices each is cut."""

    experts: int
    slices: int


def pipeline_stages(layers: int, stages: int) -> tuple[tuple[int, int], ...]:
    """First and one-past-last layer of each stage (vllm/distributed/utils.py, ``get_pp_indices``).

    Layers left over go to the stages before the last, from its neighbour backwards.
    """
    base, left = divmod(layers, stages)
    sizes = [base + (stages - 1 - left <= stage < stages - 1) for stage in range(stages)]
    starts = [sum(sizes[:stage]) for stage in range(stages)]
    return tuple((start, start + size) for start, size in zip(starts, sizes, strict=True))


def padded_vocab(vocab: int, padding: int = VOCAB_PADDING) -> int:
    """The vocabulary rounded up as VocabParallelEmbedding does, whatever the tensor parallelism."""
    return -(-vocab // padding) * padding


def local_units(part: Part, ranks: int) -> int | Refusal:
    """Units of ``part`` on one of ``ranks`` tensor-parallel ranks (vllm/distributed/utils.py, ``divide``)."""
    if part.whole or ranks == 1:
        return part.units
    if part.units % ranks == 0:
        return part.units // ranks
    if part.replicable and part.units and ranks % part.units == 0:
        return 1
    return Refusal(
        f"{part.units * part.width} ({part.name or 'rows'}) cannot be divided by a tensor parallel size of {ranks}"
    )


def expert_share(experts: int, args: EngineArgs) -> ExpertShare:
    """The fullest rank's share of ``experts`` routed experts (vllm fused_moe/config.py, ``FusedMoEParallelConfig``).

    Without expert parallelism every rank of TP x DP holds a slice of all; with it a rank holds whole experts.
    """
    ranks = args.tensor_parallel_size * args.data_parallel_size
    if args.enable_expert_parallel and ranks > 1:
        return ExpertShare(-(-(experts + args.num_redundant_experts) // ranks), 1)
    return ExpertShare(experts, ranks)


# Architectures whose shared experts are whole on each rank where tokens are divided over ranks instead.
SEQUENCE_PARALLEL = frozenset(
    {
        "DeepseekV2ForCausalLM",
        "DeepseekV3ForCausalLM",
        "DeepseekV32ForCausalLM",
        "DeepseekV4ForCausalLM",
        "GlmMoeDsaForCausalLM",
        "KimiK25ForConditionalGeneration",
        "KimiVLForConditionalGeneration",
        "Llama4ForCausalLM",
        "Llama4ForConditionalGeneration",
        "NemotronHForCausalLM",
        "Qwen3NextForCausalLM",
        "Qwen3_5MoeForCausalLM",
        "Qwen3_5MoeForConditionalGeneration",
    }
)


def shared_experts_are_whole(spec: ModelSpec, args: EngineArgs) -> bool:
    """Whether ranks do not divide shared experts (vllm/config/parallel.py, ``use_sequence_parallel_moe``)."""
    divided_tokens = args.enable_expert_parallel and args.tensor_parallel_size > 1 and args.data_parallel_size > 1
    return divided_tokens and spec.architecture in SEQUENCE_PARALLEL


def parallel_refusals(spec: ModelSpec, args: EngineArgs) -> tuple[Refusal, ...]:
    """Everything about TP, PP and EP that vLLM would refuse for this model, without looking at weights."""
    found = (_heads(spec, args), _kv_heads(spec, args), _pipeline(spec, args), _experts(spec, args))
    return tuple(refusal for refusal in found if refusal is not None)


def _heads(spec: ModelSpec, args: EngineArgs) -> Refusal | None:
    if spec.num_attention_heads % args.tensor_parallel_size == 0:
        return None
    return Refusal(
        f"Total number of attention heads ({spec.num_attention_heads}) must be divisible by "
        f"tensor parallel size ({args.tensor_parallel_size})."
    )


def _kv_heads(spec: ModelSpec, args: EngineArgs) -> Refusal | None:
    kv_heads, ranks = spec.num_key_value_heads, args.tensor_parallel_size
    if kv_heads == 0 or kv_heads % ranks == 0 or ranks % kv_heads == 0:
        return None
    return Refusal(f"{kv_heads} KV heads can be neither divided over nor repeated on {ranks} tensor-parallel ranks.")


def _pipeline(spec: ModelSpec, args: EngineArgs) -> Refusal | None:
    if args.pipeline_parallel_size == 1:
        return None
    if not spec.pipeline:
        return Refusal(f"Pipeline parallelism is not supported for {spec.architecture}.")
    if args.pipeline_parallel_size > spec.num_layers:
        return Refusal(f"{spec.num_layers} layers cannot be cut into {args.pipeline_parallel_size} pipeline stages.")
    return None


def _experts(spec: ModelSpec, args: EngineArgs) -> Refusal | None:
    if args.enable_expert_parallel and spec.experts is None:
        return Refusal("Number of experts in the model must be greater than 0 when expert parallelism is enabled.")
    return None
