"""KV cache formats: what ``kv_cache_dtype: auto`` becomes, and the bytes a token takes in each format."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Bytes of one stored element, where keys and values are stored element by element.
ELEMENT_BYTES: Mapping[str, int] = MappingProxyType(
    {
        "float32": 4,
        "float16": 2,
        "bfloat16": 2,
        "fp8": 1,
        "fp8_e4m3": 1,
        "fp8_e5m2": 1,
        "int8_per_token_head": 1,
        "fp8_per_token_head": 1,
    }
)

# Formats that keep a float32 scale for keys and one for values, per token and head (triton_attn.py, customize_spec).
SCALED = frozenset({"int8_per_token_head", "fp8_per_token_head"})
SCALE_BYTES = 2 * 4

# 4-bit data and one 8-bit scale per 16 values (nvfp4_kv_cache_full_dim in vllm/utils/torch_utils.py).
NVFP4 = frozenset({"nvfp4", "nvfp4_4over6"})

# What MLA kernels read element by element (supported_kv_cache_dtypes of v1/attention/backends/mla).
LATENT_FORMATS = frozenset({"float32", "float16", "bfloat16", "fp8", "fp8_e4m3"})

# Whole tokens packed by a sparse MLA kernel (mla_attention.py, get_kv_cache_spec).
PACKED_LATENT: Mapping[str, int] = MappingProxyType({"fp8_ds_mla": 656, "nvfp4_ds_mla": 352})

# DeepSeek V4 packs 448 8-bit and 64 16-bit values with 8 bytes of scales (models/deepseek_v4/attention.py).
PACKED_V4_LATENT = 584
V4_PAGE_ALIGNMENT = 576

# Index keys of MiniMax-M3 are bfloat16 whatever the cache is (models/minimax_m3/common/indexer.py).
INDEX_KEY_BYTES = 2

STATE_BYTES: Mapping[str, int] = MappingProxyType({"float32": 4, "float16": 2, "bfloat16": 2})


def head_bytes(cache_dtype: str, head_size: int, head_size_v: int) -> int | None:
    """Bytes of one token's key and value in one head; ``None`` for a format that is not understood."""
    if cache_dtype in NVFP4:
        return _nvfp4_bytes(head_size) + _nvfp4_bytes(head_size_v) if head_size == head_size_v else None
    if cache_dtype == "int4_per_token_head":
        return head_size // 2 + head_size_v // 2 + SCALE_BYTES
    width = ELEMENT_BYTES.get(cache_dtype)
    if width is None:
        return None
    return (head_size + head_size_v) * width + (SCALE_BYTES if cache_dtype in SCALED else 0)


def _nvfp4_bytes(head_size: int) -> int:
    return head_size // 2 + head_size // 16


def latent_bytes(cache_dtype: str, head_size: int) -> int | None:
    """Bytes of one token's latent vector; ``None`` for a format that no MLA kernel reads."""
    if cache_dtype in PACKED_LATENT:
        return PACKED_LATENT[cache_dtype]
    return head_size * ELEMENT_BYTES[cache_dtype] if cache_dtype in LATENT_FORMATS else None
