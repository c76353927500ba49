"""What vLLM's EngineArgs would hold: the settings that sizing reads, by vLLM's own names.

A plain value, so that a recommendation is ``dataclasses.replace(args, tensor_parallel_size=2)``.
``None`` means "not given": vLLM then chooses, and the rules for that live beside the thing chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.facts.versions import NEWEST, Version


@dataclass(frozen=True, slots=True)
class EngineArgs:
    """Arguments of one vLLM engine that change its memory."""

    vllm_version: Version = NEWEST
    dtype: str = "auto"
    quantization: str | None = None
    kv_cache_dtype: str = "auto"
    max_model_len: int | None = None
    block_size: int | None = None
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    data_parallel_size: int = 1
    decode_context_parallel_size: int = 1
    enable_expert_parallel: bool = False
    num_redundant_experts: int = 0
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    enable_chunked_prefill: bool | None = None
    enable_prefix_caching: bool | None = None
    enforce_eager: bool = False
    gpu_memory_utilization: float | None = None
    kv_cache_memory_bytes: int | None = None
    num_gpu_blocks_override: int | None = None
    disable_sliding_window: bool = False
    disable_hybrid_kv_cache_manager: bool = False
    language_model_only: bool = False
    limit_mm_per_prompt: tuple[tuple[str, int], ...] = ()
    mm_processor_kwargs: tuple[tuple[str, int], ...] = ()
    mm_encoder_tp_mode: str = "weights"
    performance_mode: str = "balanced"
    enable_lora: bool = False
    max_loras: int = 1
    max_lora_rank: int = 16
    fully_sharded_loras: bool = False
    lora_dtype: str = "auto"
    lora_target_modules: tuple[str, ...] | None = None
    cpu_offload_gb: float = 0
    mamba_cache_mode: str | None = None
    speculative_method: str | None = None
    num_speculative_tokens: int = 0
    draft_tensor_parallel_size: int | None = None
    # Of the environment: VLLM_USE_V1, VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS.
    use_v1: bool | None = None
    estimate_cuda_graphs: bool | None = None
