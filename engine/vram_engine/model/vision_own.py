"""Vision towers that one family of models has to itself: GLM, Llama 4, Kimi and Gemma 4."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.model.config import Config, ConfigError
from vram_engine.model.layers import column, gated_mlp, norm, replicated, row
from vram_engine.model.spec import Linear, Part, Rotary
from vram_engine.model.vision import (
    Blocks,
    Encoder,
    EncoderNames,
    encoder_layer,
    held,
    loose,
    patch_area,
    patches,
    qwen_patches,
    qwen_rotary,
    stack,
)

# ---- GLM-4.1V and GLM-4.5V (glm4_1v.py)


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


# ---- Llama 4, Kimi, Gemma 4


LLAMA4_NAMES = EncoderNames(out="self_attn.o_proj")


def llama4_vision(vision: Config) -> Blocks:
    """Llama 4's tower with its pixel shuffle; quantization never reaches it (mllama4.py)."""
    hidden, heads = vision.integer("hidden_size"), vision.integer("num_attention_heads")
    width, inner = vision.integer("intermediate_size"), vision.integer("projector_input_dim")
    bias = vision.flag("multi_modal_projector_bias")
    positions = patches(vision) + 1
    encoder = Encoder(hidden, heads, width, LLAMA4_NAMES, quantized=False)
    return (
        stack("vision_model.model.layers.{}.", encoder_layer(encoder), vision.layers("num_hidden_layers")),
        loose(
            "vision_model.",
            held("class_embedding", hidden),
            held("positional_embedding_vlm", positions * hidden),
            column("patch_embedding.linear", "tower", hidden, patch_area(vision), quantized=False),
            held("layernorm_pre", 2 * hidden),
            held("layernorm_post", 2 * hidden),
            column("vision_adapter.mlp.fc1", "tower", inner, width, bias=bias, quantized=False),
            row(
                "vision_adapter.mlp.fc2",
                "tower",
                vision.integer("projector_output_dim"),
                inner,
                bias=bias,
                quantized=False,
            ),
            Rotary(positions, hidden // max(1, heads), "float32", "vision"),
        ),
    )


# Kimi-K2.5's keys, and those of Kimi-VL before it.
KIMI_KEYS = {
    "hidden": ("vt_hidden_size", "hidden_size"),
    "heads": ("vt_num_attention_heads", "num_attention_heads"),
    "width": ("vt_intermediate_size", "intermediate_size"),
    "layers": ("vt_num_hidden_layers", "num_hidden_layers"),
}
KIMI_NAMES = EncoderNames("wqkv", "wo", "mlp.fc0", "mlp.fc1", ("wqkv", "wqkv", "wqkv"))


def kimi_vision(vision: Config, out: int) -> Blocks:
    """MoonViT and its projector (kimi_k25_vit.py)."""
    hidden, heads = vision.integer(*KIMI_KEYS["hidden"]), vision.integer(*KIMI_KEYS["heads"])
    merge = vision.integers("merge_kernel_size")
    if len(merge) != 2 or vision.text("mm_projector_type", default="patchmerger") != "patchmerger":
        raise ConfigError("the projector of this vision tower is not derived")
    encoder = Encoder(hidden, heads, vision.integer(*KIMI_KEYS["width"]), KIMI_NAMES, quantized=False)
    inner = vision.integer("mm_hidden_size", default=hidden) * merge[0] * merge[1]
    positions = vision.integer("init_pos_emb_height") * vision.integer("init_pos_emb_width")
    return (
        stack("vision_tower.encoder.blocks.{}.", encoder_layer(encoder), vision.layers(*KIMI_KEYS["layers"])),
        loose(
            "",
            held("vision_tower.patch_embed.proj", hidden * (patch_area(vision) + 1)),
            held("vision_tower.patch_embed.pos_emb", positions * hidden),
            held("vision_tower.encoder.final_layernorm", 2 * hidden),
            held("mm_projector.pre_norm", 2 * hidden),
            replicated("mm_projector.linear_1", "tower", inner, inner, bias=True, quantized=False),
            replicated("mm_projector.linear_2", "tower", out, inner, bias=True, quantized=False),
        ),
    )


# What K3's tower can be told otherwise, and what it is when it is not told.
K3_CHOICES = (
    ("mm_projector_type", "patchmergerv2"),
    ("norm_type", "rmsnorm"),
    ("mlp_type", "mlp2"),
    ("pos_emb_type", "divided_fixed"),
)
K3_FRAMES = 4


def kimi_k3_vision(vision: Config, out: int) -> Blocks:
    """Kimi-K3's MoonViT, without biases and with heads of a width of their own, and its projector."""
    for name, usual in K3_CHOICES:
        if vision.text(name, default=usual) != usual:
            raise ConfigError(f"config.json: a tower whose {vision.path}{name} is not {usual} is not derived")
    hidden, heads = vision.integer(*KIMI_KEYS["hidden"]), vision.integer(*KIMI_KEYS["heads"])
    inner, width = vision.integer("qkv_hidden_size"), vision.integer(*KIMI_KEYS["width"])
    merge = vision.integers("merge_kernel_size") or (2, 2)
    if len(merge) != 2:
        raise ConfigError(f"config.json: {vision.path}merge_kernel_size is not understood")
    attention, bias = vision.flag("attn_bias"), vision.flag("linear_bias")
    parts = tuple(Part("wqkv", heads, inner // max(1, heads)) for _ in range(3))
    layer = (
        Linear("wqkv", "tower", parts, hidden, "column", attention, quantized=False, even=heads),
        replace(row("wo", "tower", hidden, inner, bias=attention, quantized=False), even=heads),
        replace(column("mlp.fc0", "tower", width, hidden, bias=bias, quantized=False), even=heads),
        replace(row("mlp.fc1", "tower", hidden, width, bias=bias, quantized=False), even=heads),
        held("norms", 2 * hidden),
    )
    merged_features = vision.integer("mm_hidden_size", default=hidden) * merge[0] * merge[1]
    positions = vision.integer("init_pos_emb_height", default=64) * vision.integer("init_pos_emb_width", default=64)
    return (
        stack("vision_tower.encoder.blocks.{}.", layer, vision.layers(*KIMI_KEYS["layers"])),
        loose(
            "",
            held("vision_tower.patch_embed.proj", hidden * (patch_area(vision) + vision.flag("patch_embed_proj_bias"))),
            held("vision_tower.patch_embed.pos_emb", positions * hidden),
            held("vision_tower.encoder.final_layernorm", hidden),
            replicated("mm_projector.linear_1", "tower", merged_features, merged_features, quantized=False),
            replicated("mm_projector.linear_2", "tower", out, merged_features, quantized=False),
            held("mm_projector.post_norm", out),
            Rotary(vision.integer("init_pos_emb_time", default=K3_FRAMES), hidden, "float32", "vision"),
        ),
    )


def gemma4_vision(vision: Config, out: int) -> Blocks:
    """Gemma 4's tower, whole on every rank (transformers' own model, gemma4_mm.py)."""
    hidden, width = vision.integer("hidden_size"), vision.integer("intermediate_size")
    head_dim = vision.integer("head_dim")
    queries = vision.integer("num_attention_heads") * head_dim
    keys = vision.integer("num_key_value_heads") * head_dim
    layer = (
        held("self_attn.projections", hidden * (2 * queries + 2 * keys)),
        held("self_attn.norms", 2 * head_dim),
        held("mlp", 3 * hidden * width),
        held("norms", 4 * hidden),
    )
    area = 3 * vision.integer("patch_size") ** 2
    return (
        stack("vision_tower.encoder.layers.{}.", layer, vision.layers("num_hidden_layers")),
        loose(
            "",
            held("vision_tower.patch_embedder.input_proj", hidden * area),
            held(
                "vision_tower.patch_embedder.position_embedding_table",
                2 * vision.integer("position_embedding_size") * hidden,
            ),
            replicated("embed_vision.embedding_projection", "tower", out, hidden, quantized=False),
        ),
    )
