"""The buffer FlashInfer's attention plans its work in, allocated at the first step with a KV cache.

That is after the profile run: it is charged where graphs are captured to estimate them, and comes on top otherwise.
Follows ``_get_backend_priorities`` (platforms/cuda.py), what the backends say they support
(``flash_attn.py``, ``flashinfer.py`` of v1/attention/backends) and ``VLLM_FLASHINFER_WORKSPACE_BUFFER_SIZE``.
"""

from __future__ import annotations

from vram_engine.facts.versions import Version
from vram_engine.hardware import Gpu
from vram_engine.model.caches_kinds import ChunkedLocal, FullAttention, SlidingWindow
from vram_engine.model.spec import ModelSpec, Parameter
from vram_engine.sizing.budget import MIB, Term
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import Era
from vram_engine.sizing.kv_eras import kv_era
from vram_engine.sizing.kv_format import cache_format

WORKSPACE = 394 * MIB
# Backends are ranked in this way since.
RANKED_SINCE = Version(0, 18, 0)
HEAD_SIZES = frozenset({64, 128, 256})
EIGHT_BITS = frozenset({"fp8", "fp8_e4m3", "fp8_e5m2"})
# FlashAttention reads 8-bit keys and values on Hopper, in this format; nothing below Ampere.
READ_ON_HOPPER = frozenset({"fp8", "fp8_e4m3"})
AMPERE, HOPPER, BLACKWELL = (8, 0), (9, 0), 10
# FlashInfer ran on Turing until it broke there.
TURING, NOT_ON_TURING = (7, 5), Version(0, 26, 0)


def attention_workspace(spec: ModelSpec, args: EngineArgs, era: Era, gpu: Gpu) -> Term:
    """The workspace of FlashInfer where vLLM picks it for the model's attention, else nothing."""
    picked = _picks_flashinfer(spec, args, era, gpu)
    because = "FlashInfer plans its work in it" if picked else "FlashInfer is not used"
    amount = WORKSPACE if picked else 0
    return Term("attention workspace", amount, because, "modelled", spread=(0, amount))


def _picks_flashinfer(spec: ModelSpec, args: EngineArgs, era: Era, gpu: Gpu) -> bool:
    if era.version < RANKED_SINCE or gpu.capability is None or not _fits_flashinfer(spec):
        return False
    cache_dtype = cache_format(spec, args, gpu.capability, kv_era(era.version))
    if gpu.capability[0] == BLACKWELL:
        return True
    if gpu.capability < AMPERE:
        return gpu.capability >= TURING and era.version < NOT_ON_TURING
    if cache_dtype not in EIGHT_BITS:
        return False
    return gpu.capability != HOPPER or cache_dtype not in READ_ON_HOPPER


def _fits_flashinfer(spec: ModelSpec) -> bool:
    """Attention of one head size that it is compiled for, without sinks; latent attention has kernels of its own."""
    kinds = [cache for cache in spec.caches if isinstance(cache, FullAttention | SlidingWindow | ChunkedLocal)]
    sizes = {cache.head_size for cache in kinds}
    return len(sizes) == 1 and sizes <= HEAD_SIZES and not _has_sinks(spec)


def _has_sinks(spec: ModelSpec) -> bool:
    modules = (module for block in spec.modules for module in block.modules)
    return any(isinstance(module, Parameter) and module.name.endswith("sinks") for module in modules)
