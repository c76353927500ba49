"""Whisper: an audio encoder and a decoder that attends to it (whisper.py)."""

from __future__ import annotations

from vram_engine.model.built import Built, Request
from vram_engine.model.config import Config
from vram_engine.model.layers import merged, norm, plain, plain_mlp, qkv, row
from vram_engine.model.shapes import Shape
from vram_engine.model.spec import Attention, Block, Linear, Module, Part
from vram_engine.model.vision import Encoder, EncoderNames, encoder_layer, held, loose, stack


def whisper(request: Request) -> Built:
    """Whisper, whose decoder's tables are on every rank and which cannot be cut into pipeline stages."""
    config = request.config
    shape = whisper_shape(config)
    tables: tuple[Module, ...] = (
        plain("embed_tokens", "embedding", shape.vocab * shape.hidden),
        plain("embed_positions", "embedding", shape.length * shape.hidden),
        norm("layer_norm", shape.hidden, bias=True),
    )
    return Built(
        shape,
        (
            *audio_encoder(config, "model.encoder."),
            Block("model.decoder.", tables, "every"),
            Block("model.decoder.layers.{}.", decoder_layer(shape), layers=shape.every_layer),
        ),
        pipeline=False,
        tower=True,
    )


def whisper_shape(config: Config) -> Shape:
    """The shape of Whisper's decoder."""
    hidden, heads = config.integer("d_model"), config.integer("decoder_attention_heads")
    return Shape(
        hidden=hidden,
        layers=config.layers("decoder_layers"),
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // max(1, heads),
        width=config.integer("decoder_ffn_dim"),
        vocab=config.integer("vocab_size"),
        length=config.integer("max_target_positions"),
        tied=True,
    )


def audio_encoder(config: Config, prefix: str, *, positions: bool = True) -> tuple[Block, ...]:
    """Whisper's encoder, which other audio models borrow: two convolutions and layers without a bias on the keys."""
    hidden = config.integer("d_model")
    encoder = Encoder(
        hidden, config.integer("encoder_attention_heads"), config.integer("encoder_ffn_dim"), EncoderNames()
    )
    front = hidden * (3 * config.integer("num_mel_bins") + 1) + hidden * (3 * hidden + 1)
    table = (held("embed_positions", config.integer("max_source_positions") * hidden),) if positions else ()
    return (
        stack(f"{prefix}layers.{{}}.", encoder_layer(encoder), config.layers("encoder_layers")),
        loose(prefix, held("conv", front), held("layer_norm", 2 * hidden), *table),
    )


def decoder_layer(shape: Shape) -> tuple[Module, ...]:
    """One layer of the decoder: attention to itself, attention to the audio, and an MLP."""
    hidden = shape.hidden
    queries = Linear("encoder_attn.q_proj", "attention", (Part("", shape.heads, shape.head_dim),), hidden, bias=True)
    keys = merged("encoder_attn.kv_proj", "attention", (("k_proj", hidden), ("v_proj", hidden)), hidden, bias=True)
    return (
        qkv("self_attn.qkv_proj", hidden, shape.heads, shape.heads, shape.head_dim, bias=True),
        row("self_attn.out_proj", "attention", hidden, hidden, bias=True),
        Attention(shape.heads),
        queries,
        keys,
        row("encoder_attn.out_proj", "attention", hidden, hidden, bias=True),
        Attention(shape.heads),
        *plain_mlp("mlp.fc1", "mlp.fc2", hidden, shape.width, bias=True),
        *(norm(f"norm_{number}", hidden, bias=True) for number in range(3)),
    )
