"""Which format the KV cache is stored in: the user's choice, the checkpoint's own, or what a kernel makes of it.

Follows ``resolve_kv_cache_dtype_string`` (vllm/utils/torch_utils.py), the config hooks of
``model_executor/models/config.py`` and ``_canonicalize_sparse_mla_kv_cache_dtype`` (mla_attention.py).
"""

from __future__ import annotations

from vram_engine.facts.versions import Version
from vram_engine.model.caches import MLA, CompressedMLA, WindowedMLA
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.kv_block_size import BLACKWELL, CONSUMER_BLACKWELL, EIGHT_BIT, HOPPER
from vram_engine.sizing.kv_dtypes import PACKED_LATENT
from vram_engine.sizing.kv_eras import KvEra

PACKED = "fp8_ds_mla"

# GLM's sparse attention keeps 8 bits by default on Blackwell since.
EIGHT_BIT_SPARSE_BY_DEFAULT = Version(0, 32, 0)
EIGHT_BIT_BY_DEFAULT = frozenset({"GlmMoeDsaForCausalLM"})
# The FlashInfer kernel, which reads plain 8-bit latents, comes before the packed one since; before, with few heads.
PLAIN_SPARSE_ON_BLACKWELL = Version(0, 20, 0)
FLASHINFER_SPARSE = Version(0, 18, 0)
FEW_HEADS = 16
# DeepSeek V4 takes ``auto`` for fp8 since.
V4_BY_DEFAULT = Version(0, 30, 0)


def cache_format(
    spec: ModelSpec, args: EngineArgs, capability: tuple[int, int] | None, era: KvEra
) -> str | Unavailable:
    """``kv_cache_dtype`` as vLLM ends up with it; "auto" means the model's own dtype."""
    asked = declared_format(spec, era) if args.kv_cache_dtype == "auto" else args.kv_cache_dtype
    if any(isinstance(cache, CompressedMLA | WindowedMLA) for cache in spec.caches):
        return _v4_format(asked, args.vllm_version)
    if any(isinstance(cache, MLA) and cache.sparse for cache in spec.caches):
        return _sparse_format(asked, spec, args, capability, era)
    return asked


def declared_format(spec: ModelSpec, era: KvEra) -> str:
    """What ``auto`` takes from the checkpoint's quantization; "auto" where it takes nothing."""
    quantization = spec.quantization
    if quantization is None or quantization.kv_cache is None:
        return "auto"
    if quantization.method.startswith("modelopt") and era.declared_modelopt:
        return {"FP8": "fp8_e4m3", "NVFP4": "nvfp4"}.get(quantization.kv_cache, "auto")
    latent = any(isinstance(cache, MLA) for cache in spec.caches)
    if quantization.method == "compressed-tensors" and era.declared_compressed and not latent:
        return "fp8"
    return "auto"


def _v4_format(asked: str, version: Version) -> str | Unavailable:
    if asked == "auto" and version < V4_BY_DEFAULT:
        return Unavailable(f"vLLM {version} serves DeepSeek V4 with an fp8 KV cache only, which must be asked for")
    if asked == "auto" or asked.startswith("fp8"):
        return PACKED
    return Unavailable(f"DeepSeek V4 keeps its KV cache in fp8, not in {asked}")


def _sparse_format(
    asked: str, spec: ModelSpec, args: EngineArgs, capability: tuple[int, int] | None, era: KvEra
) -> str | Unavailable:
    major = 0 if capability is None else capability[0]
    if major not in (HOPPER, BLACKWELL, CONSUMER_BLACKWELL):
        return Unavailable("sparse attention (DSA) needs a GPU of the Hopper or Blackwell generation")
    if asked == "auto" and major == BLACKWELL and spec.architecture in EIGHT_BIT_BY_DEFAULT:
        asked = "fp8_e4m3" if args.vllm_version >= EIGHT_BIT_SPARSE_BY_DEFAULT else asked
    if asked == "auto" and era.sparse_packs_auto:
        return PACKED
    if asked in PACKED_LATENT:
        return asked
    if major == CONSUMER_BLACKWELL:
        return PACKED if asked in EIGHT_BIT | {"auto"} else _no_sparse_kernel(asked)
    if asked in {"auto", "bfloat16"}:
        return "auto"
    if major == BLACKWELL and asked in EIGHT_BIT:
        return asked if _plain_on_blackwell(spec, args) else PACKED
    # The Hopper kernel knows the packed format by the name fp8 alone.
    return (
        PACKED if asked == "fp8" or (era.since < FLASHINFER_SPARSE and asked in EIGHT_BIT) else _no_sparse_kernel(asked)
    )


def _plain_on_blackwell(spec: ModelSpec, args: EngineArgs) -> bool:
    if args.vllm_version >= PLAIN_SPARSE_ON_BLACKWELL:
        return True
    few = spec.num_attention_heads // args.tensor_parallel_size <= FEW_HEADS
    return args.vllm_version >= FLASHINFER_SPARSE and few


def _no_sparse_kernel(asked: str) -> Unavailable:
    return Unavailable(f"no attention backend reads sparse attention (DSA) from a KV cache of {asked} on this GPU")
