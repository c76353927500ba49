"""Encoders with rotary positions: GTE and Nomic's BERT, the latter with experts on some layers (bert_with_rope.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vram_engine.model.built import Builder, Built, Request
from vram_engine.model.config import Config, ConfigError
from vram_engine.model.encoder import HEAD_DTYPE, bert_shape, labels
from vram_engine.model.layers import (
    column,
    gated_mlp,
    layers_by_kind,
    norm,
    plain,
    qkv,
    replicated,
    row,
    sharded,
    word_embedding,
)
from vram_engine.model.rotary import rotary
from vram_engine.model.shapes import Shape
from vram_engine.model.spec import Attention, Block, Module

FeedForward = Callable[[int], tuple[Module, ...]]


def tables(shape: Shape, types: int) -> tuple[Module, ...]:
    """Words and, where there are any, token types; positions are rotary."""
    kinds = (word_embedding("token_type_embeddings", types, shape.hidden),) if types else ()
    return (
        word_embedding("word_embeddings", shape.vocab, shape.hidden),
        *kinds,
        norm("LayerNorm", shape.hidden, bias=True),
    )


def rope_encoder(
    config: Config, shape: Shape, prefix: str, *, types: int, bias: bool, feed_forward: FeedForward
) -> tuple[Block, ...]:
    """The blocks of an encoder whose layers have the MLP that ``feed_forward`` gives for their index."""
    attention = (
        qkv(
            "attn.qkv_proj", shape.hidden, shape.heads, shape.heads, shape.head_dim, bias=bias, parts=("qkv_proj",) * 3
        ),
        row("attn.out_proj", "attention", shape.hidden, shape.hidden, bias=bias),
        Attention(shape.heads),
        norm("attn_ln", shape.hidden, bias=True),
        norm("mlp_ln", shape.hidden, bias=True),
        rotary(config, shape.head_dim, shape.length),
    )
    return (
        Block(f"{prefix}embeddings.", tables(shape, types), "every"),
        *layers_by_kind(
            f"{prefix}encoder.layers.{{}}.", shape.layers, feed_forward, lambda modules: (*attention, *modules)
        ),
    )


# ---- GTE


def gte_blocks(config: Config, shape: Shape, prefix: str) -> tuple[Block, ...]:
    """GTE's encoder: gated MLPs that have a bias on the way down only."""
    modules = gated_mlp("mlp", shape.hidden, shape.width, down_bias=True)
    types = config.integer("type_vocab_size", default=0)
    return rope_encoder(config, shape, prefix, types=types, bias=True, feed_forward=lambda _: modules)


def gte(request: Request) -> Built:
    """GTE as an embedding model."""
    shape = bert_shape(request.config)
    return Built(shape, gte_blocks(request.config, shape, ""), pipeline=False)


def gte_classifier(request: Request) -> Built:
    """GTE with a pooler and one matrix of classes."""
    shape = bert_shape(request.config)
    square = shape.hidden * (shape.hidden + 1)
    heads = (
        plain("new.pooler.dense", "other", square, dtype=HEAD_DTYPE),
        plain("classifier", "other", labels(request.config) * (shape.hidden + 1), dtype=HEAD_DTYPE),
    )
    return Built(shape, (*gte_blocks(request.config, shape, "new."), Block("", heads, "every")), pipeline=False)


# ---- Nomic


def nomic(request: Request) -> Built:
    """Nomic's BERT: gated or plain MLPs, every so many of them experts."""
    config = request.config
    shape = bert_shape(config)
    bias = config.flag("qkv_proj_bias", default=True)
    dense = nomic_mlp(config, shape, bias=bias)
    every = config.integer("moe_every_n_layers", default=0)
    sparse = nomic_experts(config, shape) if every else ()
    blocks = rope_encoder(
        config,
        shape,
        "",
        types=config.integer("type_vocab_size", default=2),
        bias=bias,
        feed_forward=lambda layer: sparse if every and layer % every == 1 else dense,
    )
    return Built(shape, blocks, pipeline=False)


def nomic_mlp(config: Config, shape: Shape, *, bias: bool) -> tuple[Module, ...]:
    """The MLP of a layer without experts, by its activation."""
    activation = config.text("activation_function", default="gelu")
    if activation == "swiglu":
        return gated_mlp("mlp", shape.hidden, shape.width, bias=bias)
    if activation == "gelu":
        return (
            column("mlp.up_proj", "dense_mlp", shape.width, shape.hidden, bias=bias),
            row("mlp.down_proj", "dense_mlp", shape.hidden, shape.width, bias=bias),
        )
    raise ConfigError(f"config.json: {config.path}activation_function {activation[:40]!r} is none this class has")


def nomic_experts(config: Config, shape: Shape) -> tuple[Module, ...]:
    """Experts of two matrices that quantization never reaches, and the bias they share."""
    count = config.integer("num_experts")
    matrix = sharded("mlp.w1", "experts", shape.width, cols=shape.hidden)
    return (
        replace(matrix, replicas=count),
        replace(matrix, name="mlp.w2", replicas=count),
        plain("mlp.bias", "experts", shape.hidden),
        replicated("mlp.router", "router", count, shape.hidden, quantized=False),
    )


# ---- BERT with other heads (bert.py, roberta.py)


def with_heads(encoder: Builder, heads: Callable[[Config, Shape], tuple[Module, ...]]) -> Builder:
    """An embedding model that keeps more heads, whole on every rank."""

    def build(request: Request) -> Built:
        built = encoder(request)
        return replace(built, blocks=(*built.blocks, Block("", heads(request.config, built.shape), "every")))

    return build


def masked_language_head(_: Config, shape: Shape) -> tuple[Module, ...]:
    """What predicts masked words: a dense layer, its norm, and a table of the vocabulary."""
    return (
        plain("mlm_head.dense", "other", shape.hidden * (shape.hidden + 1)),
        norm("mlm_head.layer_norm", shape.hidden, bias=True),
        plain("mlm_head.decoder", "other", shape.vocab * (shape.hidden + 1)),
    )


def bge_m3_heads(config: Config, shape: Shape) -> tuple[Module, ...]:
    """BGE-M3's weights of words and its vectors of several per text."""
    width = config.integer("colbert_dim", default=shape.hidden)
    return (
        plain("sparse_linear", "other", shape.hidden + 1, dtype=HEAD_DTYPE),
        plain("colbert_linear", "other", width * (shape.hidden + 1), dtype=HEAD_DTYPE),
    )
