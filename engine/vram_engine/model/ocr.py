"""Models that read documents, and their like: DeepSeek-VL2 and DeepSeek-OCR, dots.ocr, GLM-OCR, and EXAONE 4.5."""

from __future__ import annotations

from vram_engine.model.config import Config, ConfigError
from vram_engine.model.layers import column, gated_mlp, norm, row
from vram_engine.model.multimodal import Renames, language_section, text_hidden
from vram_engine.model.spec import Block, Linear, Part
from vram_engine.model.vision import (
    QWEN25_NAMES,
    Blocks,
    Encoder,
    EncoderNames,
    encoder_layer,
    held,
    loose,
    patch_area,
    perceptron,
    qwen_patches,
    qwen_rotary,
    stack,
)
from vram_engine.model.vision_own import GLM_NAMES

DEEPSEEK_VL2_RENAMES: Renames = (("language.", "language_model."),)
DEEPSEEK_OCR_RENAMES: Renames = (
    ("model.embed_tokens.", "language_model.model.embed_tokens."),
    ("model.layers.", "language_model.model.layers."),
    ("model.norm.", "language_model.model.norm."),
    ("lm_head.", "language_model.lm_head."),
    ("model.", ""),
)
DOTS_RENAMES: Renames = (("lm_head.", "language_model.lm_head."), ("model.", "language_model.model."))

# ---- DeepSeek-VL2 and DeepSeek-OCR (deepseek_vl2.py, deepseek_ocr.py)

# The towers have one size, whatever the config says: SigLIP SO400M, SAM's ViT-B and CLIP's ViT-L.
SIGLIP_HIDDEN, SIGLIP_WIDTH, SIGLIP_LAYERS, SIGLIP_PATCHES = 1152, 4304, 27, 729
SAM_HIDDEN, SAM_LAYERS, SAM_GLOBAL, SAM_HEAD = 768, 12, 4, 64
CLIP_HIDDEN, CLIP_WIDTH, CLIP_HEADS, CLIP_LAYERS, CLIP_POSITIONS = 1024, 4096, 16, 24, 257


def deepseek_vl2(config: Config, _: Config) -> Blocks:
    """SigLIP with its pooling head, whose MLPs alone are divided over ranks, and a projector."""
    hidden = SIGLIP_HIDDEN
    mlp = (
        column("mlp.fc1", "tower", SIGLIP_WIDTH, hidden, bias=True),
        row("mlp.fc2", "tower", hidden, SIGLIP_WIDTH, bias=True),
    )
    square = hidden * (hidden + 1)
    layer = (held("attn", 4 * square), held("norms", 4 * hidden), *mlp)
    pool = (held("latent", hidden), held("attn", 4 * square), held("norm", 2 * hidden), *mlp)
    return (
        stack("vision.blocks.{}.", layer, SIGLIP_LAYERS),
        loose(
            "vision.",
            held("patch_embed", hidden * (3 * 14 * 14 + 1)),
            held("pos_embed", SIGLIP_PATCHES * hidden),
            held("norm", 2 * hidden),
        ),
        loose("vision.attn_pool.", *pool),
        deepseek_projector(config),
    )


def deepseek_ocr(config: Config, _: Config) -> Blocks:
    """SAM's tower, whole on every rank, CLIP's behind it, divided, and a projector."""
    encoder = Encoder(CLIP_HIDDEN, CLIP_HEADS, CLIP_WIDTH)
    return (
        *sam_vision(),
        stack("vision_model.transformer.layers.{}.", encoder_layer(encoder), CLIP_LAYERS),
        loose(
            "vision_model.",
            held("embeddings", CLIP_HIDDEN * (1 + 3 * 14 * 14 + CLIP_POSITIONS)),
            held("pre_layrnorm", 2 * CLIP_HIDDEN),
        ),
        deepseek_projector(config),
    )


def sam_vision() -> Blocks:
    """SAM's ViT-B (deepencoder.py): relative positions of windows of 14, of the whole grid on every third layer."""
    hidden = SAM_HIDDEN
    layer = held("layer", 4 * hidden * (hidden + 1) + 8 * hidden * hidden + 5 * hidden + 4 * hidden)
    near, far = 2 * 27 * SAM_HEAD, 2 * 127 * SAM_HEAD
    positions = (SAM_LAYERS - SAM_GLOBAL) * near + SAM_GLOBAL * far
    neck = 256 * hidden + 9 * 256 * 256 + 4 * 256 + 9 * 256 * 512 + 9 * 512 * 1024
    return (
        stack("sam_model.blocks.{}.", (layer,), SAM_LAYERS),
        loose(
            "sam_model.",
            held("patch_embed", hidden * (3 * 16 * 16 + 1)),
            held("pos_embed", 64 * 64 * hidden),
            held("rel_pos", positions),
            held("neck", neck),
        ),
    )


def deepseek_projector(config: Config) -> Block:
    """The projector and the learned separators of lines and views."""
    section = config.section("projector_config")
    out, inner = section.integer("n_embed"), section.integer("input_dim")
    if config.text("tile_tag", default="2D") != "2D":
        raise ConfigError("the tiles of this vision tower are not derived")
    kind = section.text("projector_type", default="downsample_mlp_gelu")
    if kind == "linear":
        size = out * (inner + 1)
    elif kind == "downsample_mlp_gelu":
        width = out * section.integer("mlp_ratio", default=1)
        folded = inner * section.integer("downsample_ratio", default=2) ** 2
        deeper = max(0, section.integer("depth", default=2) - 2)
        size = width * (folded + 1) + min(deeper, 64) * width * (width + 1) + out * (width + 1)
    else:
        raise ConfigError(f"the projector {kind[:40]!r} of this vision tower is not derived")
    return loose("", held("projector", size), held("image_newline", out), held("view_seperator", out))


# ---- dots.ocr (dots_ocr.py)


DOTS_NAMES = EncoderNames("attn.qkv", "attn.proj", "mlp.fc13", "mlp.fc2", ("qkv", "qkv", "qkv"))


def dots_ocr(config: Config, vision: Config) -> Blocks:
    """The tower of dots.ocr: gated MLPs, norms without biases, and Qwen's merger."""
    hidden, bias = vision.integer("embed_dim"), vision.flag("use_bias")
    encoder = Encoder(
        hidden,
        vision.integer("num_attention_heads"),
        vision.integer("intermediate_size"),
        DOTS_NAMES,
        qkv_bias=bias,
        out_bias=bias,
        mlp_bias=bias,
        norm_bias=False,
        gated=True,
    )
    merge = vision.integer("spatial_merge_size", default=2) ** 2
    return (
        stack("vision_tower.blocks.{}.", encoder_layer(encoder), vision.layers("num_hidden_layers")),
        loose(
            "vision_tower.",
            held("patch_embed.patchifier.proj", hidden * (patch_area(vision) + 1)),
            held("patch_embed.patchifier.norm", hidden),
            *((held("post_trunk_norm", hidden),) if vision.flag("post_norm", default=True) else ()),
            held("merger.ln_q", 2 * hidden),
        ),
        perceptron("vision_tower.merger.", hidden * merge, text_hidden(config), ("mlp.0", "mlp.2")),
    )


# ---- GLM-OCR (glm_ocr.py)


def glm_ocr(config: Config, vision: Config) -> Blocks:
    """GLM-4.1V's tower without positions, with norms of queries and keys, and a merger as wide as the words' MLP."""
    hidden, heads, out = vision.integer("hidden_size"), vision.integer("num_heads"), vision.integer("out_hidden_size")
    head_dim, merge = hidden // max(1, heads), vision.integer("spatial_merge_size", default=2) ** 2
    norms = held("attn.norms", 2 * head_dim)
    width = vision.integer("intermediate_size")
    encoder = Encoder(hidden, heads, width, GLM_NAMES, norm_bias=False, gated=True, extra=(norms,))
    inner = language_section(config).integer("intermediate_size")
    return (
        stack("visual.blocks.{}.", encoder_layer(encoder), vision.layers("depth")),
        loose(
            "visual.",
            qwen_patches(vision, hidden, bias=True),
            held("post_layernorm", hidden),
            held("downsample", out * (hidden * merge + 1)),
            column("merger.proj", "tower", out, out),
            norm("merger.post_projection_norm", out, bias=True, kind="tower"),
            *gated_mlp("merger", out, inner, kind="tower"),
            qwen_rotary(hidden, heads),
        ),
    )


# ---- EXAONE 4.5 (exaone4_5.py)


def exaone45_vision(_: Config, vision: Config) -> Blocks:
    """Qwen2.5-VL's tower with fewer heads of keys and values than of queries."""
    hidden, heads = vision.integer("hidden_size"), vision.integer("num_heads")
    kv_heads = vision.integer("num_key_value_heads", default=heads)
    inner = hidden * vision.integer("spatial_merge_size", default=2) ** 2
    encoder = Encoder(hidden, heads, vision.integer("intermediate_size"), QWEN25_NAMES, norm_bias=False, gated=True)
    head_dim = hidden // max(1, heads)
    parts = (
        Part("q", heads, head_dim),
        Part("k", kv_heads, head_dim, replicable=True),
        Part("v", kv_heads, head_dim, replicable=True),
    )
    grouped = Linear(QWEN25_NAMES.qkv, "tower", parts, hidden, "column", bias=True)
    layer = (grouped, *encoder_layer(encoder)[1:])
    return (
        stack("visual.blocks.{}.", layer, vision.layers("depth")),
        loose(
            "visual.",
            qwen_patches(vision, hidden, bias=False),
            held("merger.ln_q", hidden),
            qwen_rotary(hidden, heads),
        ),
        perceptron("visual.merger.", inner, vision.integer("out_hidden_size"), ("mlp.0", "mlp.2")),
    )
