"""Models that hear: Qwen3-Omni and Qwen3-ASR, Ultravox, and Granite Speech."""

from __future__ import annotations

from vram_engine.model.config import Config, ConfigError
from vram_engine.model.layers import column, replicated, row
from vram_engine.model.multimodal import Renames, text_hidden
from vram_engine.model.spec import Module, Rotary
from vram_engine.model.vision import QWEN3_NAMES as QWEN3_VISION_NAMES
from vram_engine.model.vision import (
    Blocks,
    Encoder,
    EncoderNames,
    encoder_layer,
    held,
    loose,
    perceptron,
    qwen_patches,
    qwen_rotary,
    square,
    stack,
)

QWEN3_ASR_RENAMES: Renames = (
    ("thinker.lm_head.", "language_model.lm_head."),
    ("thinker.model.", "language_model.model."),
    ("thinker.", ""),
    ("model.audio_tower.", "audio_tower."),
    ("model.language_model.", "language_model.model."),
)
GRANITE_SPEECH_RENAMES: Renames = ()
ULTRAVOX_RENAMES: Renames = (("audio_tower.model.encoder.", "audio_tower."),)

# ---- Qwen3-Omni and Qwen3-ASR (qwen3_omni_moe_thinker.py)


AUDIO_NAMES = EncoderNames(up="fc1", down="fc2")


def qwen3_audio(audio: Config, prefix: str = "audio_tower.") -> Blocks:
    """The encoder, divided over ranks, behind three convolutions that each halve the mel bins."""
    hidden, channels = audio.integer("d_model"), audio.integer("downsample_hidden_size")
    encoder = Encoder(hidden, audio.integer("encoder_attention_heads"), audio.integer("encoder_ffn_dim"), AUDIO_NAMES)
    bins = audio.integer("num_mel_bins")
    for _ in range(3):
        bins = (bins + 1) // 2
    convolutions = 10 * channels + 2 * (9 * channels * channels + channels)
    return (
        stack(f"{prefix}layers.{{}}.", encoder_layer(encoder), audio.layers("encoder_layers")),
        loose(
            prefix,
            held("conv2d", convolutions),
            replicated("conv_out", "tower", hidden, channels * bins, quantized=False),
            held("ln_post", 2 * hidden),
            replicated("proj1", "tower", hidden, hidden, bias=True),
            replicated("proj2", "tower", audio.integer("output_dim"), hidden, bias=True),
            Rotary(audio.integer("max_source_positions"), hidden, "float32", "audio"),
        ),
    )


def qwen3_omni_vision(vision: Config) -> Blocks:
    """Qwen3-Omni's eyes: Qwen3-VL's, with as many positions as a whole image has patches."""
    hidden, heads = vision.integer("hidden_size"), vision.integer("num_heads")
    inner = hidden * vision.integer("spatial_merge_size", default=2) ** 2
    out, names = vision.integer("out_hidden_size"), ("mlp.0", "mlp.2")
    encoder = Encoder(hidden, heads, vision.integer("intermediate_size"), QWEN3_VISION_NAMES)
    side = square(vision, "image_size")[0] // max(1, square(vision, "patch_size")[0])
    deep = len(vision.sequence("deepstack_visual_indexes"))
    merger = (*perceptron("", inner, out, names).modules, held("ln_q", 2 * inner))
    return (
        stack("visual.blocks.{}.", encoder_layer(encoder), vision.layers("depth")),
        loose(
            "visual.",
            qwen_patches(vision, hidden, bias=True),
            *(
                (held("pos_embed", side * side * hidden),)
                if vision.flag("apply_vit_abs_pos_embed", default=True)
                else ()
            ),
            held("merger.ln_q", 2 * hidden),
            qwen_rotary(hidden, heads),
        ),
        perceptron("visual.merger.", inner, out, names),
        *((stack("visual.merger_list.{}.", merger, deep),) if deep else ()),
    )


def qwen3_omni(config: Config, vision: Config) -> Blocks:
    """Qwen3-Omni's thinker: it sees and hears."""
    return (*qwen3_audio(config.section("audio_config")), *qwen3_omni_vision(vision))


def qwen3_asr(config: Config, _: Config) -> Blocks:
    """Qwen3-ASR: it hears."""
    return qwen3_audio(config.section("audio_config"))


# ---- Ultravox (ultravox.py)


ULTRAVOX_NAMES = EncoderNames()


def ultravox(config: Config, _: Config) -> Blocks:
    """Whisper's encoder, divided over ranks, and a projector that stacks frames."""
    audio = config.section("audio_config")
    hidden = audio.integer("d_model")
    encoder = Encoder(
        hidden, audio.integer("encoder_attention_heads"), audio.integer("encoder_ffn_dim"), ULTRAVOX_NAMES
    )
    front = hidden * (3 * audio.integer("num_mel_bins") + 1) + hidden * (3 * hidden + 1)
    return (
        stack("audio_tower.layers.{}.", encoder_layer(encoder), audio.layers("encoder_layers")),
        loose(
            "audio_tower.",
            held("conv", front),
            held("layer_norm", 2 * hidden),
            held("embed_positions", audio.integer("max_source_positions") * hidden),
        ),
        loose("multi_modal_projector.", *ultravox_projector(config, hidden)),
    )


def ultravox_projector(config: Config, features: int) -> tuple[Module, ...]:
    """The projector: a gate halves what is between its two matrices, a norm stands before or after the second."""
    if config.text("projector_act", default="swiglu") != "swiglu":
        raise ConfigError("the projector of this audio tower is not derived")
    inner, out = config.integer("hidden_size"), text_hidden(config)
    stacked = features * config.integer("stack_factor")
    normed = inner // 2 if config.flag("projector_ln_mid") else out
    return (
        held("ln_pre", stacked),
        held("linear_1", inner * stacked),
        held("linear_2", out * (inner // 2)),
        held("ln", normed),
    )


# ---- Granite Speech (granite_speech.py)


def granite_speech(config: Config, _: Config) -> Blocks:
    """A conformer with its head in the middle, and a Q-Former over windows of frames."""
    encoder = config.section("encoder_config")
    hidden, out = encoder.integer("hidden_dim"), encoder.integer("output_dim")
    return (
        stack("encoder.layers.{}.", granite_conformer(encoder), encoder.layers("num_layers")),
        loose(
            "encoder.",
            replicated("input_linear", "tower", hidden, encoder.integer("input_dim"), bias=True, quantized=False),
            column("out", "tower", out, hidden, bias=True),
            row("out_mid", "tower", hidden, out, bias=True),
        ),
        *granite_projector(config),
    )


def granite_conformer(encoder: Config) -> tuple[Module, ...]:
    """One layer: two feed-forward parts, attention with relative positions on every rank, and a convolution."""
    hidden = encoder.integer("hidden_dim")
    head_dim = encoder.integer("dim_head")
    width = hidden * encoder.integer("feedforward_mult")
    inner = hidden * encoder.integer("conv_expansion_factor")
    projected = encoder.integer("num_heads") * head_dim
    halves = tuple(
        module
        for name in ("ff1", "ff2")
        for module in (
            held(f"{name}.pre_norm", 2 * hidden),
            column(f"{name}.up_proj", "tower", width, hidden, bias=True),
            row(f"{name}.down_proj", "tower", hidden, width, bias=True),
        )
    )
    convolution = 2 * inner * (hidden + 1) + inner * encoder.integer("conv_kernel_size") + hidden * (inner + 1)
    return (
        *halves,
        held("attn.pre_norm", 2 * hidden),
        replicated("attn.to_q", "tower", projected, hidden),
        replicated("attn.to_kv", "tower", 2 * projected, hidden),
        replicated("attn.to_out", "tower", hidden, projected, bias=True),
        held("attn.rel_pos_emb", (2 * encoder.integer("max_pos_emb") + 1) * head_dim),
        held("conv", convolution),
        held("conv.norms", 2 * hidden + 2 * inner),
        held("post_norm", 2 * hidden),
    )


def granite_projector(config: Config) -> Blocks:
    """The Q-Former, whole on every rank, with cross attention every so many layers, and a matrix to the words."""
    former = config.section("projector_config")
    hidden, width = former.integer("hidden_size"), former.integer("intermediate_size")
    seen = former.integer("encoder_hidden_size", default=hidden)
    frequency = max(1, former.integer("cross_attention_frequency", default=1))
    layers = former.layers("num_hidden_layers")
    queries = config.integer("window_size") // max(1, config.integer("downsample_rate"))
    square_matrix = hidden * (hidden + 1)
    attention = 4 * square_matrix + 2 * hidden
    crossing = 2 * square_matrix + 2 * hidden * (seen + 1) + 2 * hidden
    feed_forward = width * (hidden + 1) + hidden * (width + 1) + 2 * hidden
    crossings = -(-layers // frequency)
    return (
        stack("projector.qformer.encoder.layer.{}.", (held("layer", attention + feed_forward),), layers),
        loose(
            "projector.",
            held("qformer.encoder.crossattention", crossings * crossing),
            held("query", queries * hidden),
            held("qformer.layernorm", 2 * hidden),
            replicated("linear", "tower", text_hidden(config), hidden, bias=True),
        ),
    )
