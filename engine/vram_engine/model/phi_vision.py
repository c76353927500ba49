"""Phi-3 Vision and Phi-4 Multimodal: towers of one size, and for the latter a conformer that hears."""

from __future__ import annotations

from vram_engine.model.config import Config, ConfigError
from vram_engine.model.layers import word_embedding
from vram_engine.model.multimodal import Renames, text_hidden
from vram_engine.model.spec import Block
from vram_engine.model.vision import Blocks, Encoder, encoder_layer, held, loose, stack

PHI3V_RENAMES: Renames = (
    ("model.vision_embed_tokens.wte", "embed_tokens"),
    ("model.vision_embed_tokens.", "vision_embed_tokens."),
    ("lm_head.", "language_model.lm_head."),
    ("model.", "language_model.model."),
)
PHI4MM_RENAMES: Renames = (
    ("model.embed_tokens_extend.audio_embed.", "embed_tokens_extend."),
    ("model.embed_tokens_extend.image_embed.", "vision_encoder."),
)

# CLIP's ViT-L at 336 pixels without its last layer (phi3v.py, CLIP_VIT_LARGE_PATCH14_336_CONFIG).
CLIP = Encoder(1024, 16, 4096)
CLIP_LAYERS, CLIP_POSITIONS = 23, 577
# SigLIP at 448 pixels without its last layer (phi4mm.py, get_navit_vision_model).
SIGLIP = Encoder(1152, 16, 4304)
SIGLIP_LAYERS, SIGLIP_PATCHES = 26, 1024


def require(section: Config, expected: tuple[tuple[str, object], ...]) -> None:
    """Refuse a tower that its config makes otherwise than the ones there are."""
    for name, value in expected:
        found = section.raw(name)
        if (found[1] if found else None) != value:
            raise ConfigError(f"config.json: a tower whose {section.path}{name} is not {value!r} is not derived")


def phi3v(config: Config, _: Config) -> Blocks:
    """Phi-3 Vision: CLIP, a projector, and a table of words beside that of the language model (phi3v.py)."""
    require(config.section("img_processor"), (("name", "clip_vision_model"), ("image_dim_out", 1024)))
    wanted = (("projection_cls", "mlp"), ("use_hd_transform", True), ("with_learnable_separator", True))
    require(config.section("embd_layer"), wanted)
    hidden, features = text_hidden(config), CLIP.hidden
    prefix = "vision_embed_tokens.img_processor.vision_model."
    return (
        Block("", (word_embedding("embed_tokens", config.integer("vocab_size"), hidden),), "every"),
        stack(f"{prefix}encoder.layers.{{}}.", encoder_layer(CLIP), CLIP_LAYERS),
        loose(
            prefix,
            held("embeddings", features * (1 + 3 * 14 * 14 + CLIP_POSITIONS)),
            held("pre_layrnorm", 2 * features),
        ),
        loose(
            "vision_embed_tokens.",
            held("separators", 8 * features),
            held("img_projection.0", hidden * (4 * features + 1)),
            held("img_projection.2", hidden * (hidden + 1)),
        ),
    )


def phi4mm(config: Config, _: Config) -> Blocks:
    """Phi-4 Multimodal: it sees and hears (phi4mm.py, phi4mm_audio.py)."""
    layer = config.section("embd_layer")
    sight = layer.section("image_embd_layer")
    require(sight, (("projection_cls", "mlp"), ("use_hd_transform", True), ("with_learnable_separator", True)))
    require(sight, (("image_token_compression_cls", "avg_pool_2d"), ("crop_size", 448)))
    hidden, features = text_hidden(config), SIGLIP.hidden
    prefix = "vision_encoder.img_processor."
    return (
        stack(f"{prefix}encoder.layers.{{}}.", encoder_layer(SIGLIP), SIGLIP_LAYERS),
        loose(prefix, held("embeddings", features * (3 * 14 * 14 + 1 + SIGLIP_PATCHES))),
        loose(
            "vision_encoder.",
            held("separators", 2 * features),
            held("img_projection", hidden * (features + 1) + hidden * (hidden + 1)),
        ),
        *phi4mm_audio(config, layer.section("audio_embd_layer"), hidden),
    )


def phi4mm_audio(config: Config, hearing: Config, out: int) -> Blocks:
    """The conformer, whole on every rank, with a projector for speech alone and one for speech beside images."""
    require(hearing, (("projection_cls", "mlp"), ("use_qformer", False), ("use_conv_downsample", False)))
    audio = config.section("audio_processor").section("config")
    require(audio, (("input_layer", "nemo_conv"), ("bias_in_glu", True), ("cnn_layer_norm", True)))
    require(audio, (("ext_pw_kernel_size", 1), ("depthwise_multiplier", 1), ("batch_norm", False)))
    hidden, bins = audio.integer("attention_dim"), audio.integer("input_size")
    channels = audio.section("nemo_conv_settings").integer("conv_channels")
    halvings = audio.integer("time_reduction", default=8).bit_length() - 1
    if halvings != 3:
        raise ConfigError(f"config.json: {audio.path}time_reduction other than 8 is not derived")
    front = 3 * 10 * channels + 2 * channels * (channels + 1) + hidden * (channels * -(-bins // 8) + 1)
    bias = audio.section("relative_attention_bias_args")
    require(bias, (("type", "t5"),))
    distances = 2 * bias.integer("t5_bias_max_distance") * audio.integer("attention_heads")
    projection = out * (hidden + 1) + out * (out + 1)
    return (
        stack(
            "embed_tokens_extend.encoder.encoders.{}.", (held("layer", conformer(audio)),), audio.layers("num_blocks")
        ),
        loose(
            "embed_tokens_extend.",
            held("encoder.embed", front),
            held("encoder.relative_attention_bias_layer", distances),
            held("encoder.encoder_embedding", 2 * bins),
            held("audio_projection", projection),
            held("audio_projection_for_vision", projection),
        ),
    )


def conformer(audio: Config) -> int:
    """Parameters of one layer: two gated feed-forward parts, attention and a convolution."""
    hidden, width = audio.integer("attention_dim"), audio.integer("linear_units")
    square = hidden * (hidden + 1)
    feed_forward = 2 * hidden + 2 * width * (hidden + 1) + hidden * (width + 1)
    depthwise = hidden * (audio.integer("kernel_size") + 1)
    convolution = 2 * hidden + 2 * hidden + 2 * square + square + depthwise + square
    return 2 * feed_forward + 4 * square + convolution + 4 * hidden
