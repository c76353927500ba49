"""How many tokens a block has: what the attention kernels of a GPU take, and what a state beside attention asks for.

Follows ``platforms/cuda.py`` (``_get_backend_priorities``; before 0.18 ``check_and_update_config``), the
``get_supported_kernel_block_sizes`` of each backend, and ``platforms/interface.py`` (``_align_hybrid_block_size``).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

from vram_engine.facts.versions import Version
from vram_engine.model.caches import MLA, BlockIndexer, CompressedMLA, LayerCache, WindowedMLA
from vram_engine.model.spec import Unavailable
from vram_engine.sizing.kv_eras import KvEra
from vram_engine.sizing.kv_specs import ceil_div

DEFAULT_BLOCK_SIZE = 16
V4_BLOCK_SIZE = 256
SPARSE_BLOCK_SIZE = 64
WIDE_LATENT_BLOCK = 128

SIXTEEN_BIT = frozenset({"auto", "float16", "bfloat16"})
EIGHT_BIT = frozenset({"fp8", "fp8_e4m3"})

HOPPER, BLACKWELL, CONSUMER_BLACKWELL = 9, 10, 12


@dataclass(frozen=True, slots=True)
class Kernel:
    """The block sizes one attention kernel reads, the one it prefers first; multiples of them are read piece by piece.

    ``insists``: vLLM replaces a block size that it does not read, where it would otherwise refuse it.
    """

    name: str
    sizes: tuple[int, ...]
    insists: bool = False

    @property
    def smallest(self) -> int:
        """The smallest block it reads."""
        return min(self.sizes)

    def takes(self, block_size: int) -> bool:
        """Whether blocks of that size can be read (``supports_block_size``)."""
        return block_size > 0 and any(block_size % size == 0 for size in self.sizes)

    @property
    def preferred(self) -> int:
        """The block size without a wish of the user (``get_preferred_block_size``)."""
        return DEFAULT_BLOCK_SIZE if self.takes(DEFAULT_BLOCK_SIZE) else self.sizes[0]


PAGED = Kernel("paged attention", (16,))
FLASH_ATTN_MLA = Kernel("FLASH_ATTN_MLA", (16,))
TRITON_MLA = Kernel("TRITON_MLA", (16,))
FLASHMLA = Kernel("FLASHMLA", (64,))
FLASHINFER_MLA = Kernel("FLASHINFER_MLA", (32, 64))
CUTLASS_MLA = Kernel("CUTLASS_MLA", (128,))
SPARSE_MLA = Kernel("sparse MLA and its indexer", (SPARSE_BLOCK_SIZE,))
BLOCK_SPARSE = Kernel("MiniMax-M3's sparse attention and its indexer", (128,))
V4 = Kernel("DeepSeek V4 attention", (V4_BLOCK_SIZE,))

OLD_FLASHMLA = Kernel("FLASHMLA", (64,), insists=True)
OLD_FLASHINFER_MLA = Kernel("FLASHINFER_MLA", (64, 32), insists=True)
OLD_CUTLASS_MLA = Kernel("CUTLASS_MLA", (128,), insists=True)

# Sizes of queries and keys without rotation that the FlashInfer kernel is compiled for, and since when vLLM uses them.
FLASHINFER_MLA_NOPE = {64: Version(0, 18, 0), 128: Version(0, 16, 0), 192: Version(0, 19, 0)}
CUTLASS_MLA_ON_BLACKWELL = Version(0, 10, 0)


def kernel_of(
    caches: tuple[LayerCache, ...],
    cache_dtype: str,
    asked: int | None,
    capability: tuple[int, int] | None,
    version: Version,
    era: KvEra,
) -> Kernel | Unavailable:
    """The kernel that decides the block size of a model with these caches; latent ones depend on the GPU.

    ``asked`` is the user's block size: the first kernel in vLLM's order that reads it is taken.
    """
    if any(isinstance(cache, CompressedMLA | WindowedMLA) for cache in caches):
        return V4
    if any(isinstance(cache, BlockIndexer) for cache in caches):
        return BLOCK_SPARSE
    latents = [cache for cache in caches if isinstance(cache, MLA)]
    if not latents:
        return PAGED
    if any(cache.sparse for cache in latents):
        return SPARSE_MLA
    if capability is None:
        return Unavailable("the block size of latent attention (MLA) on this GPU is not known")
    if not era.latent_by_dtype:
        return _old_latent_kernel(latents[0], capability[0], version)
    kernels = _latent_kernels(latents[0], cache_dtype, capability[0], version)
    if not kernels:
        return Unavailable(f"no attention backend reads latent attention from a KV cache of {cache_dtype}")
    return next((kernel for kernel in kernels if asked is None or kernel.takes(asked)), kernels[0])


def _latent_kernels(cache: MLA, cache_dtype: str, major: int, version: Version) -> tuple[Kernel, ...]:
    """The kernels that can serve, the one vLLM prefers first."""
    if cache_dtype not in SIXTEEN_BIT | EIGHT_BIT:
        return ()
    if major == BLACKWELL:
        compiled = _flashinfer_reads(cache, version)
        return (FLASHINFER_MLA, CUTLASS_MLA, TRITON_MLA) if compiled else (CUTLASS_MLA, TRITON_MLA)
    if major == HOPPER:
        return (FLASH_ATTN_MLA,) if cache_dtype in SIXTEEN_BIT else (FLASHMLA, TRITON_MLA)
    return (TRITON_MLA,)


def _flashinfer_reads(cache: MLA, version: Version) -> bool:
    since = FLASHINFER_MLA_NOPE.get(cache.qk_nope_head_dim)
    return since is not None and version >= since


def _old_latent_kernel(cache: MLA, major: int, version: Version) -> Kernel:
    if major == BLACKWELL and version >= CUTLASS_MLA_ON_BLACKWELL:
        return OLD_FLASHINFER_MLA if _flashinfer_reads(cache, version) else OLD_CUTLASS_MLA
    if major == HOPPER:
        return OLD_FLASHMLA
    return TRITON_MLA


def first_block_size(kernel: Kernel, asked: int | None) -> int | Unavailable:
    """The block size before any state asks for more: the user's, or what the kernel prefers."""
    if asked is None:
        return kernel.preferred
    if kernel.takes(asked):
        return asked
    return kernel.preferred if kernel.insists else Unavailable(f"{kernel.name} does not read blocks of {asked} tokens")


def block_size_beside_state(
    kernel: Kernel, block_size: int, state_bytes: int, token_bytes: int, *, latent: bool, era: KvEra
) -> int:
    """The least block size, from ``block_size`` up, whose attention page holds a state of ``state_bytes``.

    ``token_bytes`` is what attention keeps per token and layer.
    """
    step = max(kernel.smallest, block_size, _least_latent_block(era) if latent else 0)
    needed = step * ceil_div(state_bytes, step * token_bytes)
    return max(block_size, kernel.smallest * ceil_div(needed, kernel.smallest))


def _least_latent_block(era: KvEra) -> int:
    if era.wide_latent_blocks:
        return WIDE_LATENT_BLOCK
    return DEFAULT_BLOCK_SIZE if era.latent_by_dtype else SPARSE_BLOCK_SIZE


def block_size_for_every_state(
    kernel: Kernel, block_size: int, state_bytes: int, token_bytes: int, chunk_size: int
) -> int:
    """The same in mode "all": blocks of whole chunks of the scan."""
    step = lcm(max(chunk_size, 1), max(kernel.smallest, block_size))
    return max(block_size, step * ceil_div(ceil_div(state_bytes, token_bytes), step))
