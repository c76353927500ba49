"""What the kinds of weights are called where a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vram_engine.sizing.budget import Term

WEIGHT_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "embedding": "embedding table",
        "lm_head": "output head",
        "attention": "attention weights",
        "dense_mlp": "dense MLP weights",
        "experts": "mixture-of-experts weights",
        "shared_experts": "shared-expert weights",
        "router": "expert routers",
        "mamba": "recurrent (Mamba, linear attention) weights",
        "tower": "vision and audio towers",
        "other": "norms and other small weights",
    }
)


def term_words(term: Term) -> str:
    """The name of a term; its own where it is in words already."""
    return WEIGHT_WORDS.get(term.name, term.name)
