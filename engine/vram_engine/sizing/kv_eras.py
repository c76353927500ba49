"""How each vLLM release plans the KV cache, as one frozen table.

Boundaries are the first release seen with the behaviour in ``v1/core/kv_cache_utils.py``, ``v1/kv_cache_interface.py``,
``config/model.py``, ``model_executor/models/config.py`` and ``platforms/``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from vram_engine.facts.versions import Version

MixedPages = Literal["packed", "stride", "slots", "tuples", "none"]

# A group never grows beyond the smallest kind.
NEVER = Fraction(0)


@dataclass(frozen=True, slots=True)
class KvEra:
    """What the releases from ``since`` on do.

    ``null_blocks``: blocks the start-up check holds back. ``checked``: the check multiplies blocks of groups, or sums
    over layers as they were before grouping. ``capacity``: the printed tokens are concurrency times length, or
    blocks times the tokens of one. ``in_flight``: windows reserve for every concurrent batch, or for one batch.
    ``hybrid_manager``: layers of several kinds are told apart; ``chunked_hybrid``: so are chunked ones, by default.
    ``growth``: a group takes all layers of the largest kind when that has fewer layers than this many times the
    smallest. ``scales_blocks``, ``pads_attention``: how unequal pages are evened out; else they are refused.
    ``mixed_pages``: how pages of several sizes lie in one block: side by side, or in one of the older ways of
    ``kv_tuples``; "none" before any model had them.
    ``caches_states``: prefix caching is on by default beside a state. ``aligns_states``: in mode "align";
    ``prefers_all_states``: mode "all" comes first for Mamba 1 and 2; ``knows_all_states``: that mode exists.
    ``prefill_checkpoints``: Mamba 2 takes one more block for it. ``wide_latent_blocks``: MLA beside a state needs
    blocks of whole 128 tokens. ``latent_by_dtype``: the cache dtype has a say in the block size of MLA.
    ``declared_modelopt``, ``declared_compressed``: the checkpoint's own KV format is followed under ``auto``.
    ``sparse_packs_auto``: ``auto`` means the packed 8-bit format for sparse MLA. ``encoder_budget``: cross attention
    reserves for the encoder budget of a step.
    """

    since: Version
    null_blocks: int = 1
    checked: Literal["groups", "layers"] = "groups"
    capacity: Literal["concurrency", "blocks"] = "concurrency"
    in_flight: Literal["concurrent", "batch"] = "concurrent"
    hybrid_manager: bool = True
    chunked_hybrid: bool = True
    growth: Fraction = Fraction(3, 2)
    scales_blocks: bool = True
    pads_attention: bool = True
    mixed_pages: MixedPages = "packed"
    caches_states: bool = True
    aligns_states: bool = True
    prefers_all_states: bool = False
    knows_all_states: bool = False
    prefill_checkpoints: bool = True
    wide_latent_blocks: bool = True
    latent_by_dtype: bool = True
    declared_modelopt: bool = True
    declared_compressed: bool = True
    sparse_packs_auto: bool = False
    encoder_budget: bool = True


V0_32 = KvEra(Version(0, 32, 0))
V0_29 = replace(V0_32, since=Version(0, 29, 0), knows_all_states=True)
V0_28 = replace(V0_29, since=Version(0, 28, 0), null_blocks=0, mixed_pages="stride", prefill_checkpoints=False)
V0_27 = replace(V0_28, since=Version(0, 27, 0), prefers_all_states=True, wide_latent_blocks=False)
V0_26 = replace(V0_27, since=Version(0, 26, 0), mixed_pages="slots")
V0_24 = replace(V0_26, since=Version(0, 24, 0), in_flight="batch", caches_states=False)
V0_23 = replace(V0_24, since=Version(0, 23, 0), pads_attention=False)
V0_21 = replace(V0_23, since=Version(0, 21, 0), mixed_pages="tuples")
V0_20 = replace(V0_21, since=Version(0, 20, 0), capacity="blocks")
V0_18 = replace(V0_20, since=Version(0, 18, 0), mixed_pages="none")
V0_16 = replace(V0_18, since=Version(0, 16, 0), growth=Fraction(5, 4), latent_by_dtype=False)
V0_14 = replace(V0_16, since=Version(0, 14, 0), aligns_states=False, declared_compressed=False)
V0_12 = replace(V0_14, since=Version(0, 12, 0), checked="layers", chunked_hybrid=False, declared_modelopt=False)
V0_11 = replace(
    V0_12,
    since=Version(0, 11, 0),
    growth=NEVER,
    scales_blocks=False,
    sparse_packs_auto=True,
    prefers_all_states=False,
    knows_all_states=False,
)
V0_9 = replace(V0_11, since=Version(0, 9, 0), encoder_budget=False)
OLDER = replace(V0_9, since=Version(0, 0, 0), hybrid_manager=False)

ERAS = (
    V0_32,
    V0_29,
    V0_28,
    V0_27,
    V0_26,
    V0_24,
    V0_23,
    V0_21,
    V0_20,
    V0_18,
    V0_16,
    V0_14,
    V0_12,
    V0_11,
    V0_9,
    OLDER,
)


def kv_era(version: Version) -> KvEra:
    """How ``version`` plans the KV cache."""
    return next(era for era in ERAS if era.since <= version)
