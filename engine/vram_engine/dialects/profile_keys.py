"""The profile's keys: which setting each is, what is assumed where one is left out, and its own short names."""

from __future__ import annotations

from collections.abc import Mapping

from vram_engine.deployment import Scalar
from vram_engine.syntax.route import Route

SECTIONS = ("model", "hardware", "workload", "policy", "outputs")

# Canonical setting -> where the profile keeps it, in each of its spellings.
PATHS: Mapping[str, tuple[Route, ...]] = {
    "model": (("model", "id"),),
    "revision": (("model", "revision"),),
    "dtype": (("model", "dtype"),),
    "quantization": (("model", "quantization"),),
    "kv-cache-dtype": (("model", "kv_cache_dtype"),),
    "max-model-len": (("model", "max_model_len"),),
    "params-b": (("model", "params_b"),),
    "gpu": (("hardware", "gpu_name"), ("hardware", "gpu")),
    "gpus": (("hardware", "gpus"),),
    "gpu-memory-bytes": (("hardware", "vram_gb"),),
    "interconnect": (("hardware", "interconnect"),),
    "tensor-parallel-size": (("hardware", "tp_size"), ("hardware", "tensor_parallel_size")),
    "prompt-tokens": (("workload", "prompt_tokens"),),
    "gen-tokens": (("workload", "gen_tokens"),),
    "concurrency": (("workload", "concurrency"),),
    "mode": (("workload", "mode"),),
    "gpu-memory-utilization": (("policy", "gpu_memory_utilization"),),
    "overhead-gib": (("policy", "overhead_gb"),),
    "fragmentation-factor": (("policy", "fragmentation_factor"),),
    "headroom-gib": (("policy", "headroom_gb"),),
    "estimator": (("policy", "estimator"),),
}

# What the profile assumes where it says nothing: weaker than any fact, but its own.
DEFAULTS: Mapping[str, Scalar] = {
    "gpus": 1,
    "prompt-tokens": 512,
    "gen-tokens": 256,
    "concurrency": 1,
    "mode": "balanced",
    "gpu-memory-utilization": 0.90,
    "headroom-gib": 1.0,
}

# The profile's short names -> vLLM's.
READ_AS = {
    "fp16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
    "fp32": "float32",
    "float": "float32",
    "fp8_e4m3fn": "fp8_e4m3",
}
WRITTEN_AS = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "fp8_e4m3": "fp8_e4m3fn"}
