"""Audio towers: the conformers of Gemma 3n and 4, and Whisper's encoder as other models borrow it from transformers."""

from __future__ import annotations

from vram_engine.model.config import Config, ConfigError
from vram_engine.model.layers import replicated
from vram_engine.model.spec import Block, Rotary
from vram_engine.model.vision import Blocks, held, loose, stack


def conformer_layer(hidden: int, head_dim: int, kernel: int) -> int:
    """Parameters of one layer: two feed-forward parts, attention with relative positions, and a convolution."""
    feed_forward = 8 * hidden * hidden + 2 * hidden
    attention = 5 * hidden * hidden + head_dim + 2 * hidden
    convolution = 3 * hidden * hidden + hidden * kernel + 2 * hidden
    return 2 * feed_forward + attention + convolution + hidden


def gemma3n_audio(audio: Config) -> Blocks:
    """Gemma 3n's conformer, on every rank (transformers' own model)."""
    hidden = audio.integer("hidden_size")
    heads = max(1, audio.integer("conf_num_attention_heads"))
    kernel = audio.integer("conf_conv_kernel_size")
    layer = held("layer", conformer_layer(hidden, hidden // heads, kernel))
    channels = audio.integers("sscp_conv_channel_size")
    kernels = audio.sequence("sscp_conv_kernel_size")
    strides = audio.sequence("sscp_conv_stride_size")
    if len(channels) != 2 or not all(_is_pair(size) for size in (*kernels, *strides)) or len(kernels) != 2:
        raise ConfigError(f"config.json: {audio.path}sscp_conv_channel_size is not understood")
    areas = [size[0] * size[1] for size in kernels if isinstance(size, list | tuple)]
    bins = audio.integer("input_feat_size")
    for stride in strides:
        assert isinstance(stride, list | tuple)
        bins = -(-bins // max(1, stride[1]))
    first = channels[0] * areas[0] + channels[0]
    second = channels[1] * channels[0] * areas[1] + channels[1]
    front = held("subsample_conv_projection", first + second + hidden * channels[1] * bins)
    return (
        Block("audio_tower.conformer.{}.", (layer,), "every", tuple(range(audio.layers("conf_num_hidden_layers")))),
        loose("audio_tower.", front),
    )


def _is_pair(size: object) -> bool:
    return (
        isinstance(size, list | tuple)
        and len(size) == 2
        and all(type(side) is int and 0 < side < 4096 for side in size)
    )


def gemma4_audio(audio: Config, out: int) -> Blocks:
    """Gemma 4's conformer, on every rank, and its projection (transformers' own model)."""
    hidden = audio.integer("hidden_size")
    head_dim = hidden // max(1, audio.integer("num_attention_heads"))
    channels = audio.integers("subsampling_conv_channels")
    if len(channels) != 2:
        raise ConfigError(f"config.json: {audio.path}subsampling_conv_channels is not understood")
    first, second = channels
    front = 10 * first + second * (9 * first + 1) + hidden * (first // 4) * second
    dims = audio.integer("output_proj_dims")
    layer = held("layer", conformer_layer(hidden, head_dim, audio.integer("conv_kernel_size")))
    return (
        stack("audio_tower.layers.{}.", (layer,), audio.layers("num_hidden_layers")),
        loose("audio_tower.", held("subsample_conv_projection", front), held("output_proj", dims * (hidden + 1))),
        loose("embed_audio.", replicated("embedding_projection", "tower", out, dims, quantized=False)),
    )


def transformers_encoder(audio: Config, prefix: str) -> Blocks:
    """Whisper's encoder as transformers builds it, on every rank, without a bias on the keys."""
    hidden, width = audio.integer("d_model"), audio.integer("encoder_ffn_dim")
    front = hidden * (3 * audio.integer("num_mel_bins") + 1) + hidden * (3 * hidden + 1)
    attention = 4 * hidden * hidden + 3 * hidden
    layer = held("layer", attention + 2 * hidden * width + width + hidden + 4 * hidden)
    return (
        stack(f"{prefix}layers.{{}}.", (layer,), audio.layers("encoder_layers")),
        loose(prefix, held("conv", front), held("layer_norm", 2 * hidden)),
    )


def qwen2_audio_encoder(audio: Config, prefix: str) -> Blocks:
    """Qwen2-Audio's, with learned positions."""
    positions = audio.integer("max_source_positions") * audio.integer("d_model")
    return (*transformers_encoder(audio, prefix), loose(prefix, held("embed_positions", positions)))


def omni_audio_encoder(audio: Config, prefix: str) -> Blocks:
    """Qwen2.5-Omni's, with a table of fixed positions, two tokens of its own and a projection."""
    hidden, out = audio.integer("d_model"), audio.integer("output_dim")
    return (
        *transformers_encoder(audio, prefix),
        loose(
            prefix,
            held("proj", out * (hidden + 1)),
            held("audio_bos_eos_token", 2 * out),
            Rotary(audio.integer("max_source_positions"), hidden, "float32", "audio"),
        ),
    )
