"""What decoders of mixed layers share: which kind each layer is, and its plainest parts."""

from __future__ import annotations

from vram_engine.model.config import Config, ConfigError
from vram_engine.model.layers import (
    norm,
    qkv,
    row,
)
from vram_engine.model.shapes import Shape
from vram_engine.model.spec import Attention, Module

ATTENTION_WORDS = frozenset({"attention", "full_attention", "*", "hybrid"})


def layer_kinds(config: Config, layers: int) -> tuple[str, ...]:
    """What ``layer_types`` or ``layers_block_type`` say of each layer, or the list of attention layers of LFM2."""
    kinds = config.texts("layer_types", "layers_block_type")
    if not kinds and config.has("full_attn_idxs"):
        attended = frozenset(config.integers("full_attn_idxs"))
        return tuple("full_attention" if layer in attended else "conv" for layer in range(layers))
    if len(kinds) != layers:
        raise ConfigError(f"config.json: {config.path}layer_types does not name each of the {layers} layers")
    return kinds


def two_norms(shape: Shape) -> tuple[Module, ...]:
    """The two norms of a layer."""
    return norm("input_layernorm", shape.hidden), norm("post_attention_layernorm", shape.hidden)


def final_norm(shape: Shape, name: str = "norm") -> tuple[Module, ...]:
    """The norm after the last layer."""
    return (norm(name, shape.hidden),)


def plain_attention(
    shape: Shape, *, prefix: str = "self_attn", out: str = "o_proj", bias: bool = False
) -> tuple[Module, ...]:
    """Queries, keys, values and output without norms or positions."""
    return (
        qkv(f"{prefix}.qkv_proj", shape.hidden, shape.heads, shape.kv_heads, shape.head_dim, bias=bias),
        row(f"{prefix}.{out}", "attention", shape.hidden, shape.attention_width, bias=bias),
        Attention(shape.kv_heads),
    )
