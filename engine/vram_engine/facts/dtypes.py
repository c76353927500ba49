"""Number formats: their size, their spellings, and what vLLM makes of ``dtype: auto``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

BYTES: Mapping[str, int] = MappingProxyType(
    {
        "float64": 8,
        "float32": 4,
        "float16": 2,
        "bfloat16": 2,
        "int64": 8,
        "int32": 4,
        "int16": 2,
        "int8": 1,
        "uint8": 1,
        "float8_e4m3fn": 1,
        "float8_e5m2": 1,
        "float8_e8m0fnu": 1,
        "bool": 1,
    }
)

# vllm/config/model.py: _STR_DTYPE_TO_TORCH_DTYPE, plus "auto" which is not a dtype.
SPELLINGS: Mapping[str, str] = MappingProxyType(
    {
        "half": "float16",
        "float16": "float16",
        "float": "float32",
        "float32": "float32",
        "bfloat16": "bfloat16",
    }
)

# vllm/config/model.py: _FLOAT16_NOT_SUPPORTED_MODELS.
NEEDS_MORE_RANGE_THAN_FLOAT16 = frozenset({"gemma2", "gemma3", "gemma3_text", "glm4"})

BFLOAT16_CAPABILITY = (8, 0)


def canonical(spelling: str) -> str | None:
    """A dtype by torch's name without its ``torch.`` prefix; ``None`` for an unknown spelling."""
    name = spelling.strip().lower().removeprefix("torch.")
    name = SPELLINGS.get(name, name)
    return name if name in BYTES else None


def automatic(model_type: str, checkpoint: str, capability: tuple[int, int], *, pooling: bool) -> str:
    """What ``dtype: auto`` becomes (vllm/config/model.py, ``_resolve_auto_dtype``) for a CUDA compute capability.

    float32 checkpoints are halved: to float16 for pooling models where the model stands it, otherwise to the first
    dtype the GPU supports. A 16-bit dtype the GPU or the model does not support falls to the same preference.
    """
    supported = [
        name
        for name in _by_preference(capability)
        if not (name == "float16" and model_type in NEEDS_MORE_RANGE_THAN_FLOAT16)
    ]
    preferred = "float16" if pooling and "float16" in supported else supported[0]
    wanted = preferred if checkpoint == "float32" else checkpoint
    return wanted if wanted in supported else preferred


def _by_preference(capability: tuple[int, int]) -> tuple[str, ...]:
    if capability >= BFLOAT16_CAPABILITY:
        return ("bfloat16", "float16", "float32")
    return ("float16", "float32")
