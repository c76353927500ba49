"""Linear attention mixers: the gated delta net of Qwen and OLMo, and Kimi's delta attention."""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.model.config import Config
from vram_engine.model.layers import plain, replicated, row
from vram_engine.model.spec import Linear, Module, Parameter, Part


@dataclass(frozen=True, slots=True)
class DeltaShape:
    """Sizes of a gated delta net: key and value heads, the width of each, and the convolution's kernel."""

    hidden: int
    key_heads: int
    value_heads: int
    key_width: int
    value_width: int
    kernel: int


def read_delta(config: Config, hidden: int) -> DeltaShape:
    """The delta net of a config."""
    return DeltaShape(
        hidden,
        config.integer("linear_num_key_heads"),
        config.integer("linear_num_value_heads"),
        config.integer("linear_key_head_dim"),
        config.integer("linear_value_head_dim"),
        config.integer("linear_conv_kernel_dim"),
    )


def delta_net(config: Config, hidden: int, *, interleaved: bool) -> tuple[Module, ...]:
    """Qwen's gated delta net (qwen_gdn_linear_attn.py); ``interleaved`` checkpoints fuse its projections already."""
    shape = read_delta(config, hidden)
    keys = Part("in_proj_qkv", shape.key_heads, shape.key_width)
    values = Part("in_proj_qkv", shape.value_heads, shape.value_width)
    gates = Part("in_proj_z", shape.value_heads, shape.value_width)
    wide: tuple[Part, ...] = (keys, keys, values, gates)
    narrow: tuple[Part, ...] = (Part("in_proj_b", shape.value_heads), Part("in_proj_a", shape.value_heads))
    if interleaved:
        total = 2 * shape.key_heads * shape.key_width + 2 * shape.value_heads * shape.value_width
        wide, narrow = (Part("", total),), (Part("", 2 * shape.value_heads),)
    prefix = "linear_attn."
    return (
        Linear(f"{prefix}in_proj_qkvz", "mamba", wide, hidden),
        Linear(f"{prefix}in_proj_ba", "mamba", narrow, hidden),
        row(f"{prefix}out_proj", "mamba", hidden, shape.value_heads * shape.value_width),
        Parameter(f"{prefix}conv1d", "mamba", (keys, keys, values), shape.kernel, True, inputs=shape.kernel),
        Parameter(f"{prefix}dt_bias", "mamba", (Part("", shape.value_heads),), 1, True),
        Parameter(f"{prefix}A_log", "mamba", (Part("", shape.value_heads),), 1, True, "float32"),
        plain(f"{prefix}norm", "mamba", shape.value_width),
    )


def olmo_delta_net(config: Config, hidden: int) -> tuple[Module, ...]:
    """OLMo's gated delta net (olmo_gdn_linear_attn.py)."""
    shape = read_delta(config, hidden)
    keys, values = (
        Part("q_proj", shape.key_heads, shape.key_width),
        Part("v_proj", shape.value_heads, shape.value_width),
    )
    heads = (Part("", shape.value_heads),)
    prefix = "linear_attn."
    parts = (keys, Part("k_proj", keys.units, keys.width), values, Part("g_proj", values.units, values.width))
    return (
        Linear(f"{prefix}in_proj_qkvg", "mamba", parts, hidden),
        Linear(f"{prefix}b_proj", "mamba", heads, hidden),
        Linear(f"{prefix}a_proj", "mamba", heads, hidden),
        row(f"{prefix}o_proj", "mamba", hidden, shape.value_heads * shape.value_width),
        Parameter(f"{prefix}conv1d", "mamba", (keys, keys, values), shape.kernel, True, inputs=shape.kernel),
        Parameter(f"{prefix}dt_bias", "mamba", heads, 2, True),
        plain(f"{prefix}o_norm", "mamba", shape.value_width),
    )


def kimi_delta(config: Config, hidden: int) -> tuple[Module, ...]:
    """Kimi's delta attention: low-rank gates on every rank beside divided heads, or K3's gates of full rank, fused.

    kimi_k3/nvidia/kda.py, where a fused matrix of full rank has its rows padded to a multiple of 16.
    """
    own = config.section("linear_attn_config")
    heads, width = own.integer("num_heads"), own.integer("head_dim")
    kernel = own.integer("short_conv_kernel_size", default=4)
    wide = Part("", heads, width)
    fused = (wide, wide, wide, Part("", width, whole=True), Part("", heads))
    prefix = "self_attn."
    if own.flag("use_full_rank_gate"):
        gates: tuple[Module, ...] = (Linear(f"{prefix}in_proj_qkvgfab", "attention", (wide, *fused), hidden, align=16),)
    else:
        gates = (
            Linear(f"{prefix}in_proj_qkvgfab", "attention", fused, hidden),
            replicated(f"{prefix}g_a_proj", "attention", width, hidden),
            Linear(f"{prefix}g_b_proj", "attention", (wide,), width),
        )
    return (
        *gates,
        Linear(f"{prefix}f_b_proj", "attention", (wide,), width),
        row(f"{prefix}o_proj", "attention", hidden, heads * width),
        Parameter(f"{prefix}conv1d", "mamba", (wide, wide, wide), kernel, True, "float32"),
        Parameter(f"{prefix}dt_bias", "mamba", (wide,), 1, True, "float32"),
        Parameter(f"{prefix}A_log", "mamba", (Part("", heads),), 1, True, "float32"),
        plain(f"{prefix}o_norm", "attention", width),
    )
