"""GLM's vision tower, for GLM-4.1V and GLM-4.5V (glm4_1v.py)."""

from __future__ import annotations

from vram_engine.model.config import Config
from vram_engine.model.layers import column, gated_mlp, norm
from vram_engine.model.vision import (
    Blocks,
    Encoder,
    EncoderNames,
    encoder_layer,
    held,
    loose,
    patches,
    qwen_patches,
    qwen_rotary,
    stack,
)

GLM_NAMES = EncoderNames("attn.qkv", "attn.proj", "mlp.gate_up_proj", "mlp.down_proj", ("q", "k", "v"))


def glm_vision(vision: Config) -> Blocks:
    """The tower, whose layers have an MLP as wide as its output; the stated width is that of its merger's MLP."""
    hidden, heads, out = vision.integer("hidden_size"), vision.integer("num_heads"), vision.integer("out_hidden_size")
    merge = vision.integer("spatial_merge_size", default=2)
    encoder = Encoder(
        hidden,
        heads,
        out,
        GLM_NAMES,
        qkv_bias=False,
        out_bias=False,
        mlp_bias=False,
        norm_bias=False,
        gated=True,
    )
    return (
        stack("visual.blocks.{}.", encoder_layer(encoder), vision.layers("depth")),
        loose(
            "visual.",
            qwen_patches(vision, hidden, bias=True),
            held("embeddings.position_embedding", patches(vision) * hidden),
            held("post_conv_layernorm", hidden),
            held("post_layernorm", hidden),
            held("downsample", out * (hidden * merge * merge + 1)),
            column("merger.proj", "tower", out, out),
            norm("merger.post_projection_norm", out, bias=True, kind="tower"),
            *gated_mlp("merger", out, vision.integer("intermediate_size"), kind="tower"),
            qwen_rotary(hidden, heads),
        ),
    )
