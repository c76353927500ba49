"""What vLLM refuses whatever the memory: certain from the settings, the model, the GPU and the release."""

from __future__ import annotations

from vram_engine.deployment import Deployment
from vram_engine.facts.versions import Version
from vram_engine.hardware import Node
from vram_engine.model.spec import ModelSpec
from vram_engine.refusals import (
    attention_backends,
    cuda_graphs,
    experts,
    frontend,
    kv_cache,
    limits,
    lora,
    model_settings,
    multimodal,
    offload,
    parallel,
    quantization,
    scheduler,
    speculation,
    states,
)
from vram_engine.refusals.case import Case, Check, Refused, case_of
from vram_engine.sizing.engine_args import EngineArgs

__all__ = ["CHECKS", "Case", "Check", "Refused", "possible_refusals", "refusals"]


def _minor(number: int) -> Version:
    return Version(0, number, 0)


# By the rule that speaks of it; a release is the first in which vLLM's code was seen to check, or no longer to check.
CHECKS: tuple[Check, ...] = (
    Check("gpu-memory-utilization-out-of-range", limits.utilization),
    Check("gpu-too-old", limits.gpu_without_kernels),
    Check(
        "gpu-no-longer-supported",
        limits.volta_without_kernels,
        _minor(20),
        follows_release=True,
        unless=(limits.gpu_without_kernels,),
    ),
    Check("tensor-parallel-exceeds-gpus", limits.world_size),
    Check("tensor-parallel-does-not-divide", limits.division),
    Check("max-model-len-exceeds-model", limits.length),
    Check("max-model-len-not-positive", model_settings.length_not_positive, _minor(13)),
    Check("bfloat16-unsupported-by-gpu", model_settings.bfloat16_on_old_gpu),
    Check("float16-unsupported-by-model", model_settings.float16_out_of_range, Version(0, 9, 2)),
    Check("runner-does-not-suit-model", model_settings.generating_with_an_encoder, Version(0, 10, 2)),
    Check("prompt-embeds-with-encoder", model_settings.prompt_embeds_for_an_encoder, _minor(29)),
    Check("batched-tokens-below-max-model-len", scheduler.step_below_length, _minor(12)),
    Check("max-num-seqs-exceeds-batched-tokens", scheduler.requests_exceed_step),
    Check("active-seqs-exceed-max-num-seqs", scheduler.active_exceed_requests, _minor(31)),
    Check("long-prefill-threshold-exceeds-max-model-len", scheduler.long_prefill_exceeds_length, Version(0, 8, 5)),
    Check("watermark-out-of-range", scheduler.watermark_out_of_range, _minor(24)),
    Check("pipeline-parallel-unsupported", parallel.stages_unsupported),
    Check("decode-context-parallel-does-not-divide", parallel.decode_context, _minor(26)),
    Check("decode-context-parallel-exceeds-heads", parallel.decode_context_of_heads, _minor(27)),
    Check(
        "data-parallel-exceeds-gpus",
        parallel.replicas_exceed_gpus,
        Version(0, 9, 2),
        unless=(parallel.local_replicas_exceed_all,),
    ),
    Check("data-parallel-local-exceeds-all", parallel.local_replicas_exceed_all, Version(0, 9, 2)),
    Check("external-balancing-of-dense-model", parallel.balanced_from_outside, _minor(21)),
    Check("external-balancing-without-data-parallel", parallel.external_balancer_alone, _minor(12)),
    Check("external-balancing-without-rank", parallel.rank_not_told, _minor(12)),
    Check(
        "external-balancing-of-several-ranks",
        parallel.several_ranks_here,
        _minor(12),
        unless=(parallel.local_replicas_exceed_all,),
    ),
    Check("hybrid-balancing-incomplete", parallel.hybrid_balancer, _minor(27)),
    Check("nnodes-do-not-divide", parallel.nodes_divide, _minor(27)),
    Check("node-rank-out-of-range", parallel.rank_of_node, _minor(27)),
    Check("nnodes-with-ray", parallel.nodes_without_processes, _minor(12)),
    Check("numa-settings-without-binding", parallel.cores_without_binding, _minor(20)),
    Check("expert-parallel-without-experts", experts.no_experts),
    Check("eplb-without-expert-parallel", experts.balancing_without_experts, Version(0, 10, 2)),
    Check("eplb-on-one-gpu", experts.balancing_on_one_gpu, Version(0, 10, 2)),
    Check("redundant-experts-without-eplb", experts.spare_experts_without_balancing, Version(0, 10, 2)),
    Check("elastic-experts-incomplete", experts.elastic_without_balancing, _minor(17)),
    Check("microbatches-without-deepep", experts.overlap_without_kernels, _minor(16), follows_release=True),
    Check("moonep-needs-bfloat16", experts.moonep_of_other_weights, _minor(31)),
    Check("tensor-parallel-cuts-quantization-groups", quantization.cut_groups),
    Check("quantization-removed", quantization.removed, follows_release=True),
    Check("quantization-unknown", quantization.unknown),
    Check("quantization-deprecated", quantization.deprecated, follows_release=True, unless=(quantization.gpu_too_old,)),
    Check("quantization-does-not-match-checkpoint", quantization.mismatched),
    Check("quantization-needs-prepared-checkpoint", quantization.unprepared),
    Check("quantization-needs-newer-gpu", quantization.gpu_too_old, unless=(quantization.unprepared,)),
    Check(
        "quantization-dtype-unsupported",
        quantization.dtype_unsupported,
        unless=(quantization.gpu_too_old, quantization.unprepared),
    ),
    Check("load-format-removed", frontend.loader_gone, follows_release=True),
    Check("kv-cache-dtype-too-new", kv_cache.format_not_there_yet),
    Check(
        "fp8-kv-cache-needs-newer-gpu",
        kv_cache.fp8_on_old_gpu,
        _minor(24),
        unless=(kv_cache.format_of_other_attention, kv_cache.e5m2_with_fp8_weights),
    ),
    Check("bfloat16-kv-cache-needs-newer-gpu", kv_cache.bfloat16_on_old_gpu, _minor(24), _minor(33)),
    Check(
        "nvfp4-kv-cache-unsupported-by-gpu",
        kv_cache.nvfp4_on_other_gpu,
        Version(0, 25, 1),
        unless=(kv_cache.format_of_other_attention,),
    ),
    Check(
        "kv-cache-dtype-of-other-attention",
        kv_cache.format_of_other_attention,
        _minor(18),
        unless=(kv_cache.format_not_there_yet,),
    ),
    Check("kv-cache-dtype-differs-from-model", kv_cache.other_half, _minor(33), follows_release=True),
    Check("e5m2-kv-cache-with-fp8-weights", kv_cache.e5m2_with_fp8_weights, Version(0, 8, 5)),
    Check("block-size-unsupported", kv_cache.block_size_unread, _minor(24)),
    Check("attention-backend-unknown", attention_backends.unknown, _minor(14)),
    Check("attention-backend-unsupported", attention_backends.unsupported, _minor(14)),
    Check("prefix-caching-needs-chunked-prefill", states.prefixes_without_chunks, _minor(29)),
    Check("prefix-caching-needs-chunked-images", states.prefixes_of_whole_images, _minor(29)),
    Check("mamba-block-size-without-prefix-caching", states.state_block_without_prefixes, _minor(12)),
    Check("stochastic-rounding-needs-float16", states.rounding_of_wide_states, _minor(20)),
    Check("mamba-algorithm-needs-flashinfer", states.algorithm_of_other_backend, _minor(27)),
    Check("lora-unsupported-by-model", lora.unsupported),
    Check("max-cpu-loras-below-max-loras", lora.kept_below_active, Version(0, 8, 5)),
    Check("adapter-rank-exceeds-limit", lora.rank_above_limit),
    Check("mm-loras-on-text-model", lora.adapters_by_medium_for_text, Version(0, 10, 2)),
    Check("lora-modules-without-lora", lora.modules_without_adapters),
    Check(
        "lora-drafts-exceed-batched-tokens", lora.step_below_drafts, _minor(12), unless=(scheduler.step_below_length,)
    ),
    Check("speculative-key-unknown", speculation.unknown_key, Version(0, 8, 5)),
    Check("speculative-method-unknown", speculation.unknown_method, Version(0, 9, 1)),
    Check("speculative-method-removed", speculation.removed_method, follows_release=True),
    Check("speculative-model-missing", speculation.without_model, Version(0, 8, 5)),
    Check("speculative-tokens-missing", speculation.without_tokens, Version(0, 8, 5)),
    Check("speculative-tokens-not-positive", speculation.tokens_not_positive, Version(0, 8, 5)),
    Check("draft-tensor-parallel-unsupported", speculation.draft_ranks, Version(0, 8, 5)),
    Check("speculative-tensor-parallel-misnamed", speculation.target_ranks, _minor(15)),
    Check("ngram-lookup-reversed", speculation.lookup_range, Version(0, 8, 5)),
    Check("mtp-unsupported-by-model", speculation.prediction_without_layers, _minor(15)),
    Check("async-scheduling-with-speculation", speculation.asynchronous, _minor(12), _minor(33)),
    Check(
        "speculative-slots-exceed-batched-tokens",
        speculation.slots,
        _minor(28),
        unless=(scheduler.step_below_length, lora.step_below_drafts),
    ),
    Check("speculative-metrics-without-speculation", speculation.metrics_without_drafts, _minor(29)),
    Check("fast-prefill-with-hidden-state-drafts", speculation.fast_prefill, Version(0, 10, 2)),
    Check("capture-sizes-given-twice", cuda_graphs.said_twice, _minor(12)),
    Check("capture-sizes-disagree", cuda_graphs.sizes_disagree, _minor(12)),
    Check("offload-exceeds-group", offload.more_layers_than_group, _minor(17)),
    Check("offload-prefetch-step-too-small", offload.no_step_ahead, _minor(17)),
    Check("mm-object-size-without-shm", multimodal.object_size_without_shared_cache, _minor(12)),
    Check("mm-tensor-ipc-to-several-processes", multimodal.tensors_to_one_process, _minor(19)),
    Check("auto-tool-choice-needs-parser", frontend.tools_without_parser),
    Check("log-outputs-need-log-requests", frontend.outputs_without_requests, _minor(11)),
    Check("kv-transfer-role-missing", frontend.transfer_without_role, _minor(12)),
    Check("object-store-needs-streamer", frontend.store_without_streaming, _minor(18)),
    Check("option-too-new", frontend.option_not_there_yet),
    Check("batch-sharded-sampling-unsupported", frontend.sharded_sampling, _minor(29)),
)


def refusals(
    deployment: Deployment, args: EngineArgs, spec: ModelSpec | None, node: Node | None
) -> tuple[Refused, ...]:
    """Every refusal that is certain; a model of guessed shapes is refused nothing."""
    return tuple(refused for refused in possible_refusals(deployment, args, spec, node) if not refused.assumed)


def possible_refusals(
    deployment: Deployment, args: EngineArgs, spec: ModelSpec | None, node: Node | None
) -> tuple[Refused, ...]:
    """``refusals``, and those that only hold should the newest release be the one that is run."""
    case = case_of(deployment, args, spec, node)
    return tuple(refused for check in CHECKS if (refused := check.of(case)) is not None)
