"""Refusals about ``--attention-backend``: names, generations of GPUs and kinds of attention.

Sources: ``AttentionBackendEnum`` of v1/attention/backends/registry.py and ``supports_compute_capability`` of the
backends, in one release of each minor version since 0.14.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vram_engine.facts.versions import Version
from vram_engine.refusals.case import Case
from vram_engine.refusals.kv_cache import has_attention
from vram_engine.refusals.parallel import keeps_latents

_FIRST = Version(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Backend:
    """One backend. ``majors`` are the CUDA generations it runs on, empty for all; ``latent`` is for MLA alone."""

    since: Version = _FIRST
    gone_in: Version | None = None
    majors: tuple[int, ...] = ()
    latent: bool | None = None


_AMPERE_ON = tuple(range(8, 20))

BACKENDS: Mapping[str, Backend] = MappingProxyType(
    {
        "FLASH_ATTN": Backend(majors=_AMPERE_ON, latent=False),
        "FLASHINFER": Backend(latent=False),
        "TRITON_ATTN": Backend(latent=False),
        "FLEX_ATTENTION": Backend(latent=False),
        "TREE_ATTN": Backend(gone_in=Version(0, 21, 0), latent=False),
        "TURBOQUANT": Backend(since=Version(0, 20, 0), latent=False),
        "FLASHMLA": Backend(majors=(9, 10), latent=True),
        "FLASHMLA_SPARSE": Backend(majors=(9, 10), latent=True),
        "FLASH_ATTN_MLA": Backend(majors=(9,), latent=True),
        "FLASHINFER_MLA": Backend(majors=(10,), latent=True),
        "FLASHINFER_MLA_SPARSE": Backend(since=Version(0, 17, 0), latent=True),
        "CUTLASS_MLA": Backend(majors=(10,), latent=True),
        "TRITON_MLA": Backend(latent=True),
        "TOKENSPEED_MLA": Backend(since=Version(0, 21, 0), majors=(10,), latent=True),
    }
)

# Names people know from elsewhere, and what became of them.
GONE = frozenset(
    {
        *("XFORMERS", "FLASH_ATTN_VLLM_V1", "FLASHINFER_VLLM_V1", "TRITON_ATTN_VLLM_V1", "FLASHMLA_VLLM_V1"),
        *("TRITON_MLA_VLLM_V1", "CUTLASS_MLA_VLLM_V1", "FLASH_ATTN_MLA_VLLM_V1", "FLASHINFER_MLA_VLLM_V1"),
        *("TORCH_SDPA_VLLM_V1", "DUAL_CHUNK_FLASH_ATTN", "DIFFERENTIAL_FLASH_ATTN", "BLOCK_SPARSE_FLASH_ATTN"),
    }
)


def asked(case: Case) -> str | None:
    """The backend asked for, in capitals as vLLM reads it."""
    name = case.text("attention-backend")
    return None if name is None or name.lower() == "auto" else name.upper()


def unknown(case: Case) -> str | None:
    """A backend that the release does not have (``AttentionBackendEnum``)."""
    name = asked(case)
    if name is None:
        return None
    row = BACKENDS.get(name)
    if row is not None and row.gone_in is not None and case.version >= row.gone_in:
        return f"vLLM {case.version} no longer has the attention backend {name}"
    if row is not None and case.version < row.since:
        return f"vLLM {case.version} does not have the attention backend {name} yet"
    return f"vLLM no longer has the attention backend {name}" if name in GONE else None


def unsupported(case: Case) -> str | None:
    """vllm/platforms/cuda.py, ``get_attn_backend_cls``: a backend that is forced must suit GPU and model."""
    row, capability = BACKENDS.get(asked(case) or ""), case.capability
    if row is None or capability is None or unknown(case) is not None:
        return None
    if row.majors and capability[0] not in row.majors:
        have = f"{capability[0]}.{capability[1]}"
        return f"vLLM refuses attention-backend {asked(case)} on a GPU of compute capability {have}"
    if case.model is None or not has_attention(case) or row.latent is None:
        return None
    if row.latent == keeps_latents(case.model):
        return None
    kind = "does not read" if keeps_latents(case.model) else "reads only"
    return f"vLLM refuses attention-backend {asked(case)}: it {kind} latent attention (MLA)"
