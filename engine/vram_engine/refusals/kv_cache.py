"""Refusals about the format and the blocks of the KV cache."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vram_engine.facts.versions import Version
from vram_engine.model.caches import FullAttention, Mamba, SlidingWindow
from vram_engine.refusals.case import Case
from vram_engine.refusals.model_settings import dtype_of
from vram_engine.refusals.parallel import keeps_latents

# First release with each format (``CacheDType`` in vllm/config/cache.py); the others were always there.
FORMATS_SINCE: Mapping[str, Version] = MappingProxyType(
    {
        "bfloat16": Version(0, 11, 0),
        "fp8_ds_mla": Version(0, 11, 1),
        "float16": Version(0, 18, 0),
        "turboquant_k8v4": Version(0, 20, 0),
        "turboquant_4bit_nc": Version(0, 20, 0),
        "turboquant_k3v4_nc": Version(0, 20, 0),
        "turboquant_3bit_nc": Version(0, 20, 0),
        "int8_per_token_head": Version(0, 20, 0),
        "fp8_per_token_head": Version(0, 20, 0),
        "nvfp4": Version(0, 20, 0),
        "int4_per_token_head": Version(0, 25, 0),
        "nvfp4_4over6": Version(0, 28, 0),
        "nvfp4_ds_mla": Version(0, 30, 0),
        "ultraquant_4bit": Version(0, 32, 0),
    }
)

FP8 = frozenset({"fp8", "fp8_e4m3", "fp8_e5m2"})
FP8_BY_HEAD = "fp8_per_token_head"
NVFP4 = frozenset({"nvfp4", "nvfp4_4over6"})
# What no latent attention kernel reads: other layouts, and the 8 bits with a wider exponent.
NOT_LATENT = frozenset(
    {"fp8_e5m2", "int4_per_token_head", "int8_per_token_head", FP8_BY_HEAD, "ultraquant_4bit", *NVFP4}
    | {name for name in FORMATS_SINCE if name.startswith("turboquant")}
)
LATENT_ONLY = frozenset({"fp8_ds_mla", "nvfp4_ds_mla"})

NATIVE_FP8 = (8, 9)
AMPERE = (8, 0)
_BLACKWELL = 10
# From here FlashInfer's second kernels read nvfp4 too, on these generations.
_NVFP4_WIDENED = Version(0, 30, 0)
_NVFP4_MAJORS = (8, 9, 10, 12)
# The kernels for latent attention refuse 8 bits on GPUs without native FP8 since.
_LATENT_CHECK = Version(0, 26, 0)
_KERNEL_BLOCK = 16


def format_not_there_yet(case: Case) -> str | None:
    """A format that the release's parser does not take."""
    asked = case.text("kv-cache-dtype")
    since = FORMATS_SINCE.get(asked or "")
    if since is None or case.version >= since:
        return None
    return f"vLLM {case.version} does not have kv-cache-dtype {asked} yet; {since} does"


def fp8_on_old_gpu(case: Case) -> str | None:
    """vllm/v1/attention/backends/triton_attn.py and mla/triton_mla.py; before Ampere no other kernel is left."""
    asked, capability, model = case.text("kv-cache-dtype"), case.capability, case.model
    if model is None or capability is None or capability >= NATIVE_FP8 or not has_attention(case):
        return None
    latent = keeps_latents(model)
    if asked not in FP8 | {FP8_BY_HEAD} or (latent and case.version < _LATENT_CHECK):
        return None
    forced = (case.text("attention-backend") or "").upper()
    if not (latent or capability < AMPERE or asked == FP8_BY_HEAD or forced == "TRITON_ATTN"):
        return None
    have = f"{capability[0]}.{capability[1]}"
    return (
        f"vLLM refuses kv-cache-dtype {asked} on this GPU: its kernel needs compute capability 8.9, the GPU has {have}"
    )


def bfloat16_on_old_gpu(case: Case) -> str | None:
    """The same files; in 0.33 the cache must match the model, and no model is bfloat16 on such a GPU."""
    capability, model = case.capability, case.model
    if case.text("kv-cache-dtype") != "bfloat16" or model is None or capability is None or capability >= AMPERE:
        return None
    backend = (case.text("attention-backend", "auto") or "").upper()
    if not has_attention(case) or keeps_latents(model) or backend not in ("AUTO", "TRITON_ATTN"):
        return None
    return (
        "vLLM refuses kv-cache-dtype bfloat16 on this GPU: its kernel needs compute capability 8.0, the GPU has "
        f"{capability[0]}.{capability[1]}"
    )


def nvfp4_on_other_gpu(case: Case) -> str | None:
    """vllm/v1/attention/backends/flashinfer.py, ``supports_kv_cache_dtype``: no other backend reads 4 bits."""
    asked, capability = case.text("kv-cache-dtype"), case.capability
    if asked not in NVFP4 or capability is None:
        return None
    widened = asked == "nvfp4" and case.version >= _NVFP4_WIDENED
    if capability[0] in (_NVFP4_MAJORS if widened else (_BLACKWELL,)):
        return None
    have = f"{capability[0]}.{capability[1]}"
    return f"vLLM refuses kv-cache-dtype {asked} on this GPU: it has no kernel for compute capability {have}"


def format_of_other_attention(case: Case) -> str | None:
    """A format for the other kind of attention (``supported_kv_cache_dtypes`` of v1/attention/backends)."""
    asked, model = case.text("kv-cache-dtype"), case.model
    if model is None or asked is None or case.capability is None or not has_attention(case):
        return None
    if keeps_latents(model):
        if asked not in NOT_LATENT:
            return None
        return f"vLLM refuses kv-cache-dtype {asked} with latent attention (MLA): no kernel reads it"
    if asked not in LATENT_ONLY:
        return None
    return f"vLLM refuses kv-cache-dtype {asked}: only sparse latent attention reads it"


def other_half(case: Case) -> str | None:
    """vllm/config/vllm.py, ``_reject_mismatched_float_kv_cache``."""
    asked, dtype = case.text("kv-cache-dtype"), dtype_of(case)
    if asked not in ("float16", "bfloat16") or dtype is None or dtype == asked:
        return None
    return f"vLLM refuses kv-cache-dtype {asked} with dtype {dtype}: an explicit 16-bit cache must match the model"


def e5m2_with_fp8_weights(case: Case) -> str | None:
    """vllm/model_executor/layers/attention/attention.py."""
    model = case.model
    if case.text("kv-cache-dtype") != "fp8_e5m2" or model is None or model.quantization is None:
        return None
    if model.quantization.method not in ("fp8", "modelopt"):
        return None
    return f"vLLM refuses kv-cache-dtype fp8_e5m2 with {model.quantization.method} weights"


def block_size_unread(case: Case) -> str | None:
    """``get_supported_kernel_block_sizes`` of v1/attention/backends: all take multiples of 16 at the finest."""
    size = case.integer("block-size")
    # Beside recurrent states the size is only where the search for one begins.
    if size is None or case.capability is None or not has_attention(case) or keeps_states(case):
        return None
    if size > 0 and size % _KERNEL_BLOCK == 0:
        return None
    return f"vLLM refuses block-size {size}: attention kernels read blocks of a multiple of {_KERNEL_BLOCK} tokens"


def has_attention(case: Case) -> bool:
    """Whether the model is known to have layers with a KV cache."""
    model = case.model
    if model is None:
        return False
    return keeps_latents(model) or any(isinstance(cache, FullAttention | SlidingWindow) for cache in model.caches)


def mixes_states(case: Case) -> bool:
    """Whether the model has both attention and recurrent state."""
    return has_attention(case) and keeps_states(case)


def keeps_states(case: Case) -> bool:
    """Whether the model keeps a recurrent state (Mamba and its kin)."""
    return case.model is not None and any(isinstance(cache, Mamba) for cache in case.model.caches)
