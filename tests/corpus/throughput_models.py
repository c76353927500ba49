"""Models of published measurements that the catalogue lacks under that name: their shape, and how they were stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vram_engine.facts.catalogue import catalogue_model
from vram_engine.model import from_config
from vram_engine.model.spec import ModelSpec, Unavailable

AWQ: Mapping[str, Any] = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}
FINE_AWQ = {**AWQ, "group_size": 32, "modules_to_not_convert": ["model.layers.0.mlp"]}
GPTQ8 = {"quant_method": "gptq", "bits": 8, "group_size": 128, "desc_act": False, "sym": True}
FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic"}
BLOCK_FP8 = {**FP8, "weight_block_size": [128, 128], "fmt": "e4m3"}
NVFP4 = "RedHatAI/Llama-3.1-8B-Instruct-NVFP4"

# Name as published: (catalogue row of the same shape, its quantization_config; None keeps the row's own).
SHAPES: Mapping[str, tuple[str, Mapping[str, Any] | str | None]] = {
    "cpatonn/GLM-4.5-Air-AWQ-4bit": ("zai-org/GLM-4.5-Air", FINE_AWQ),
    "QuantTrio/Qwen3-Coder-480B-A35B-Instruct-AWQ": ("Qwen/Qwen3-Coder-480B-A35B-Instruct", AWQ),
    "QuantTrio/Qwen3-Coder-30B-A3B-Instruct-AWQ": ("Qwen/Qwen3-Coder-30B-A3B-Instruct", AWQ),
    "zai-org/GLM-4.6": ("zai-org/GLM-4.5", None),
    "zai-org/GLM-4.6-FP8": ("zai-org/GLM-4.5", FP8),
    "ibnzterrell/Meta-Llama-3.3-70B-Instruct-AWQ-INT4": ("hugging-quants/Meta-Llama-3.1-70B-Instruct-AWQ-INT4", None),
    "Qwen/Qwen3.6-35B-A3B-FP8": ("Qwen/Qwen3.5-35B-A3B", BLOCK_FP8),
    "deepseek-ai/DeepSeek-R1": ("deepseek-ai/DeepSeek-V3", None),
    "DeepSeek-R1 FP8": ("deepseek-ai/DeepSeek-V3", None),
    "DeepSeek-R1-0528-AWQ": ("deepseek-ai/DeepSeek-V3", AWQ),
    "nvidia/Llama-3.3-70B-Instruct-NVFP4": ("meta-llama/Meta-Llama-3.1-70B", NVFP4),
    "Qwen3-8B-AWQ": ("Qwen/Qwen3-8B-AWQ", None),
    "Qwen3-8B-FP4": ("Qwen/Qwen3-8B", NVFP4),
    "Qwen3-8B-GPTQ-Int8": ("Qwen/Qwen3-8B", GPTQ8),
    "Qwen3-32B-AWQ": ("Qwen/Qwen3-32B-AWQ", None),
    "llama-3.1-8b-fp8": ("meta-llama/Meta-Llama-3.1-8B", FP8),
    "Meta-Llama-3.1-8B-FP8": ("meta-llama/Meta-Llama-3.1-8B", FP8),
    "Hermes-3-Llama-3.1-405B-FP8": ("meta-llama/Meta-Llama-3.1-405B", FP8),
    "neuralmagic/Meta-Llama-3.1-70B-Instruct-FP8": ("meta-llama/Meta-Llama-3.1-70B", FP8),
    "btbtyler09/cogito-v1-preview-llama-70B-gptq-8bit": ("meta-llama/Meta-Llama-3.1-70B", GPTQ8),
    "Mistral-Large-Instruct-2407": ("mistralai/Mistral-Large-Instruct-2407", None),
    "Mixtral-8x7B-Instruct-v0.1": ("mistralai/Mixtral-8x7B-Instruct-v0.1", None),
}


def published_model(name: str) -> ModelSpec | Unavailable:
    """The model of a measurement, from its own catalogue row or from that of its shape."""
    base, stored = SHAPES.get(name, (name, None))
    row = catalogue_model(base)
    if row is None:
        return Unavailable(f"no config of {name}")
    if stored is None:
        return from_config(row.config, quant_config=row.quant_config)
    return from_config({**row.config, "quantization_config": _quantization(stored)})


def _quantization(stored: Mapping[str, Any] | str) -> object:
    if not isinstance(stored, str):
        return stored
    row = catalogue_model(stored)
    return None if row is None else row.config.get("quantization_config")
