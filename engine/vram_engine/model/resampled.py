"""Vision models with a resampler, or one of SigLIP's relatives before a projector: MiniCPM-V, Aria, LFM2-VL, Keye.

PaddleOCR-VL and ERNIE 4.5 VL are of the same make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vram_engine.model.audio import transformers_encoder
from vram_engine.model.built import Builder, Built, Request
from vram_engine.model.config import Config, ConfigError
from vram_engine.model.layers import column, norm, replicated, row
from vram_engine.model.multimodal import Renames, Tower, text_hidden
from vram_engine.model.spec import Block, Module
from vram_engine.model.vision import (
    Blocks,
    Encoder,
    EncoderNames,
    encoder_layer,
    held,
    loose,
    patch_area,
    perceptron,
    siglip_vision,
    stack,
)

LFM2_RENAMES: Renames = (
    ("lm_head.", "language_model.lm_head."),
    ("model.language_model.", "language_model.model."),
    ("model.vision_tower.", "vision_tower."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
)
FLAT_RENAMES: Renames = (("lm_head.", "language_model.lm_head."), ("model.", "language_model.model."))
ERNIE_RENAMES: Renames = (("model.resampler_model.", "resampler_model."), *FLAT_RENAMES)

# Positions that Keye keeps for packed patches (keye.py, SiglipVisionEmbeddings).
PACKED_POSITIONS = 32768

# ---- MiniCPM-V and MiniCPM-o (minicpmv.py, minicpmo.py)


# The class of the language model by the version a config states.
MINICPM_LANGUAGES = {
    "2.5": "LlamaForCausalLM",
    "2.6": "Qwen2ForCausalLM",
    "4.0": "LlamaForCausalLM",
    "4.5": "Qwen3ForCausalLM",
}


def minicpm_version(config: Config) -> str:
    """The version of a MiniCPM-V config as vLLM looks it up; a config without one is known by its shape."""
    found = config.raw("version")
    if found is None:
        smallest = config.integer("hidden_size") == 2304 and config.integer("query_num") == 64
        stated = "2.0" if smallest else "2.5"
    else:
        stated = str(found[1])[:8] if isinstance(found[1], str | float) else ""
    if stated not in MINICPM_LANGUAGES:
        raise ConfigError(f"version {stated} of this model is not derived")
    return stated


def minicpm_tower(config: Config, vision: Config) -> Blocks:
    """SigLIP and the resampler, which is whole on every rank and never quantized where it is attention."""
    layers = vision.layers("num_hidden_layers") - config.flag("drop_vision_last_layer", default=True)
    hidden, features = config.integer("hidden_size"), vision.integer("hidden_size")
    return (
        *siglip_vision(vision, layers, post_norm=True, prefix="vpm."),
        loose(
            "resampler.",
            held("query", config.integer("query_num") * hidden),
            held("proj", hidden * hidden),
            *((replicated("kv_proj", "tower", hidden, features),) if features != hidden else ()),
            held("attn", 4 * hidden * (hidden + 1)),
            held("norms", 6 * hidden),
        ),
    )


def minicpm_o_tower(config: Config, vision: Config) -> Blocks:
    """MiniCPM-o hears as well: Whisper's encoder as transformers builds it, and a projector."""
    audio = config.section("audio_config")
    hidden, features = config.integer("hidden_size"), audio.integer("d_model")
    half = audio.integer("encoder_ffn_dim") // 4
    positions = audio.integer("max_source_positions", default=1500) * features
    return (
        *minicpm_tower(config, vision),
        loose(
            "audio_projection_layer.",
            held("linear1", hidden * (half + 1)),
            held("linear2", hidden * (hidden + 1)),
        ),
        *transformers_encoder(audio, "apm."),
        loose("apm.", held("embed_positions", positions)),
    )


def minicpm(tower: Tower, languages: Mapping[str, Builder]) -> Builder:
    """The builder of a MiniCPM-V, whose config is that of its language model, of a class that its version decides."""

    def build(request: Request) -> Built:
        config = request.config
        below = languages[MINICPM_LANGUAGES[minicpm_version(config)]](request)
        under = tuple(replace(block, prefix=f"llm.{block.prefix}") for block in below.blocks)
        blocks = (*tower(config, config.section("vision_config")), *under)
        return replace(below, blocks=blocks, language=config, tower=True)

    return build


# ---- LFM2-VL (lfm2_vl.py, lfm2_siglip2.py)


def lfm2_vl(config: Config, vision: Config) -> Blocks:
    """SigLIP 2 over patches of any shape, all its layers, a pixel unshuffle and a projector on every rank."""
    hidden = vision.integer("hidden_size")
    encoder = Encoder(hidden, vision.integer("num_attention_heads"), vision.integer("intermediate_size"))
    prefix = "vision_tower.vision_model."
    area = vision.integer("num_channels", default=3) * vision.integer("patch_size") ** 2
    return (
        stack(f"{prefix}encoder.layers.{{}}.", encoder_layer(encoder), vision.layers("num_hidden_layers")),
        loose(
            prefix,
            replicated("embeddings.patch_embedding", "tower", hidden, area, bias=True, quantized=False),
            held("embeddings.position_embedding", vision.integer("num_patches") * hidden),
            held("post_layernorm", 2 * hidden),
        ),
        loose("multi_modal_projector.", *lfm2_projector(config, hidden)),
    )


def lfm2_projector(config: Config, features: int) -> tuple[Module, ...]:
    """A norm, where there is one, and two matrices."""
    inner = features * config.integer("downsample_factor", default=2) ** 2
    width, bias = config.integer("projector_hidden_size"), config.flag("projector_bias", default=True)
    normed = config.flag("projector_use_layernorm", default=True)
    return (
        *((norm("layer_norm", inner, bias=True, kind="tower"),) if normed else ()),
        replicated("linear_1", "tower", width, inner, bias=bias, quantized=False),
        replicated("linear_2", "tower", text_hidden(config), width, bias=bias, quantized=False),
    )


# ---- Keye and PaddleOCR-VL (keye.py, paddleocr_vl.py)


def keye(config: Config, vision: Config) -> Blocks:
    """Keye: SigLIP with positions for packed patches, and a divided projector over merged patches."""
    return keye_tower(config, vision, normed=vision.integer("hidden_size"))


def keye15(config: Config, vision: Config) -> Blocks:
    """Keye 1.5, whose projector norms the merged patches."""
    merge = vision.integer("spatial_merge_size", default=2) ** 2
    return keye_tower(config, vision, normed=vision.integer("hidden_size") * merge)


def keye_tower(config: Config, vision: Config, *, normed: int) -> Blocks:
    """The tower of both Keyes."""
    hidden = vision.integer("hidden_size")
    inner = hidden * vision.integer("spatial_merge_size", default=2) ** 2
    return (
        *siglip_vision(vision, vision.layers("num_hidden_layers"), post_norm=True, prefix="visual.vision_model."),
        loose("visual.vision_model.", held("embeddings.packing_position_embedding", PACKED_POSITIONS * hidden)),
        loose("mlp_AR.", norm("pre_norm", normed, bias=True, kind="tower")),
        perceptron("mlp_AR.", inner, text_hidden(config), ("linear_1", "linear_2")),
    )


def paddleocr(config: Config, vision: Config) -> Blocks:
    """PaddleOCR-VL: SigLIP and a projector on every rank over merged patches."""
    hidden = vision.integer("hidden_size")
    inner = hidden * vision.integer("spatial_merge_size", default=2) ** 2
    return (
        *siglip_vision(vision, vision.layers("num_hidden_layers"), post_norm=True, prefix="visual.vision_model."),
        loose(
            "mlp_AR.",
            norm("pre_norm", hidden, bias=True, kind="tower"),
            held("linear_1", inner * (inner + 1)),
            held("linear_2", text_hidden(config) * (inner + 1)),
        ),
    )


def paddleocr_vl(builder: Builder) -> Builder:
    """The builder of a PaddleOCR-VL: a flat config is tied whatever it says, as its class moves the setting inside."""

    def build(request: Request) -> Built:
        config = request.config
        if config.has("text_config"):
            return builder(request)
        flat = Config(dict(config.data) | {"tie_word_embeddings": True}, config.path, config.implied_type)
        return builder(replace(request, config=flat))

    return build


# ---- Aria (aria.py)


def aria(config: Config, vision: Config) -> Blocks:
    """Aria: Idefics 3's tower without its last norm, and a projector of as many queries as it ever needs."""
    features, out = vision.integer("hidden_size"), text_hidden(config)
    stated = config.section("projector_patch_to_query_dict").data.values()
    queries = [count for count in stated if isinstance(count, int) and 0 < count < 2**20]
    if not queries:
        raise ConfigError(f"config.json: {config.path}projector_patch_to_query_dict gives no number of queries")
    squares = 3 * features * features + 4 * features * (features + 1) + features * (features + 1)
    return (
        *siglip_vision(vision, vision.layers("num_hidden_layers"), post_norm=False, prefix="vision_tower."),
        loose(
            "multi_modal_projector.",
            held("query", max(queries) * features),
            held("cross_attn", squares + 4 * features),
            held("layer_norm", 2 * features),
            column("feed_forward.linear_in", "tower", out, features, quantized=False),
            row("feed_forward.linear_out", "tower", out, out, quantized=False),
        ),
    )


# ---- ERNIE 4.5 VL (ernie45_vl.py)


ERNIE_NAMES = EncoderNames("attn.qkv", "attn.proj", parts=("qkv", "qkv", "qkv"))


def ernie_vision(config: Config, vision: Config) -> Blocks:
    """ERNIE's tower and the resampler that folds space and time, each matrix divided by its rows."""
    width, heads = vision.integer("embed_dim"), vision.integer("num_heads")
    encoder = Encoder(
        width, heads, int(width * vision.number("mlp_ratio", default=4.0)), replace(ERNIE_NAMES, up="mlp.fc1")
    )
    return (
        stack("vision_model.blocks.{}.", encoder_layer(encoder), vision.layers("depth")),
        loose(
            "vision_model.",
            replicated("patch_embed.proj", "tower", width, patch_area(vision), quantized=False),
            held("ln", 2 * width),
        ),
        ernie_resampler(config),
    )


def ernie_resampler(config: Config) -> Block:
    """The resampler."""
    space = config.integer("pixel_hidden_size") * config.integer("spatial_conv_size") ** 2
    time = space * config.integer("temporal_conv_size")
    hidden = config.integer("hidden_size")
    temporal: tuple[Module, ...] = (
        column("temporal_linear1", "tower", space, time, bias=True),
        column("temporal_linear2", "tower", space, space, bias=True),
        held("temporal_norm", 2 * space),
    )
    return loose(
        "resampler_model.",
        column("spatial_linear1", "tower", space, space, bias=True),
        column("spatial_linear2", "tower", space, space, bias=True),
        held("spatial_norm", 2 * space),
        *(temporal if config.flag("use_temporal_conv") else ()),
        column("mlp", "tower", hidden, space, bias=True),
        held("after_norm", hidden),
    )
