"""Encoders that embed or classify, BERT, RoBERTa and ModernBERT, and the heads that make a decoder a classifier."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.model.built import Builder, Built, Request
from vram_engine.model.config import Config, ConfigError
from vram_engine.model.layer_kinds import layer_kinds
from vram_engine.model.layers import column, layers_by_kind, merged, norm, plain, qkv, row, word_embedding
from vram_engine.model.rotary import rotary
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Attention, Block, Module, Rotary

# Heads of pooling models are kept in float32 unless the config says otherwise (vllm/config/model.py, head_dtype).
HEAD_DTYPE = "float32"


def head(name: str, size: int) -> Module:
    """A part of a classifier or pooler, on every rank."""
    return plain(name, "other", size, dtype=HEAD_DTYPE)


def labels(config: Config) -> int:
    """How many classes a classifier tells apart."""
    named = config.section("id2label").data
    return len(named) or config.integer("num_labels", default=2)


def bert_blocks(config: Config, shape: Shape, prefix: str) -> tuple[Block, ...]:
    """Embeddings and layers of BERT and RoBERTa (bert.py); every table is a vocabulary's, padded and divided."""
    tables: tuple[Module, ...] = (
        word_embedding("word_embeddings", shape.vocab, shape.hidden),
        word_embedding("position_embeddings", shape.length, shape.hidden),
        word_embedding("token_type_embeddings", config.integer("type_vocab_size", default=2), shape.hidden),
        norm("LayerNorm", shape.hidden, bias=True),
    )
    layer: tuple[Module, ...] = (
        qkv(
            "attention.self.qkv_proj",
            shape.hidden,
            shape.heads,
            shape.heads,
            shape.head_dim,
            bias=True,
            parts=("query", "key", "value"),
        ),
        row("attention.output.dense", "attention", shape.hidden, shape.hidden, bias=True),
        Attention(shape.heads),
        norm("attention.output.LayerNorm", shape.hidden, bias=True),
        column("intermediate.dense", "dense_mlp", shape.width, shape.hidden, bias=True),
        row("output.dense", "dense_mlp", shape.hidden, shape.width, bias=True),
        norm("output.LayerNorm", shape.hidden, bias=True),
    )
    return (
        Block(f"{prefix}.embeddings.", tables, "every"),
        Block(f"{prefix}.encoder.layer.{{}}.", layer, layers=shape.every_layer),
    )


def bert_shape(config: Config) -> Shape:
    """The shape of a BERT."""
    return replace(read_shape(config), tied=True)


def bert(request: Request) -> Built:
    """BERT and RoBERTa as embedding models."""
    shape = bert_shape(request.config)
    return Built(shape, bert_blocks(request.config, shape, "model"), pipeline=False)


def bert_classifier(request: Request) -> Built:
    """BERT with its pooler and one matrix of classes (bert.py, BertForSequenceClassification)."""
    shape = bert_shape(request.config)
    classes = labels(request.config)
    heads = (
        head("bert.pooler.dense", shape.hidden * (shape.hidden + 1)),
        head("classifier", classes * (shape.hidden + 1)),
    )
    return Built(shape, (*bert_blocks(request.config, shape, "bert"), Block("", heads, "every")), pipeline=False)


def roberta_classifier(request: Request) -> Built:
    """RoBERTa with a dense layer before the classes (roberta.py, RobertaForSequenceClassification)."""
    shape = bert_shape(request.config)
    classes = labels(request.config)
    heads = (
        head("classifier.dense", shape.hidden * (shape.hidden + 1)),
        head("classifier.out_proj", classes * (shape.hidden + 1)),
    )
    return Built(shape, (*bert_blocks(request.config, shape, "roberta"), Block("", heads, "every")), pipeline=False)


def token_classifier(request: Request) -> Built:
    """BERT or RoBERTa with classes for each token."""
    shape = bert_shape(request.config)
    heads = (head("classifier", labels(request.config) * (shape.hidden + 1)),)
    return Built(shape, (*bert_blocks(request.config, shape, "bert"), Block("", heads, "every")), pipeline=False)


# ---- ModernBERT


def modernbert_blocks(config: Config, prefix: str) -> tuple[Shape, tuple[Block, ...]]:
    """ModernBERT: gated MLPs, and local attention with a rotary table of its own (modernbert.py)."""
    shape = bert_shape(config)
    bias, norm_bias = config.flag("attention_bias"), config.flag("norm_bias")
    mlp_bias = config.flag("mlp_bias")
    types = modernbert_types(config, shape.layers)

    def modules(kind: tuple[str, bool]) -> tuple[Module, ...]:
        layer_type, is_first = kind
        norms = ("mlp_norm",) if is_first else ("attn_norm", "mlp_norm")
        return (
            qkv("attn.Wqkv", shape.hidden, shape.heads, shape.heads, shape.head_dim, bias=bias, parts=("Wqkv",) * 3),
            row("attn.Wo", "attention", shape.hidden, shape.hidden, bias=bias),
            Attention(shape.heads),
            merged("mlp.Wi", "dense_mlp", (("Wi", shape.width), ("Wi", shape.width)), shape.hidden, bias=mlp_bias),
            row("mlp.Wo", "dense_mlp", shape.hidden, shape.width, bias=mlp_bias),
            *(norm(name, shape.hidden, bias=norm_bias) for name in norms),
            modernbert_table(config, shape, layer_type),
        )

    tables = (word_embedding("tok_embeddings", shape.vocab, shape.hidden), norm("norm", shape.hidden, bias=norm_bias))
    return shape, (
        *layers_by_kind(
            f"{prefix}encoder_layer.layers.{{}}.", shape.layers, lambda layer: (types[layer], layer == 0), modules
        ),
        Block(f"{prefix}embeddings.", tables, "every"),
        Block(prefix, (norm("final_norm", shape.hidden, bias=norm_bias),), "every"),
    )


def modernbert_types(config: Config, layers: int) -> tuple[str, ...]:
    """Global attention every so many layers, from the first on, unless each layer is named."""
    if config.has("layer_types"):
        return layer_kinds(config, layers)
    interval = max(1, config.integer("global_attn_every_n_layers", default=3))
    return tuple("sliding_attention" if layer % interval else "full_attention" for layer in range(layers))


def modernbert_table(config: Config, shape: Shape, layer_type: str) -> Rotary:
    """The rotary table of one type of layers."""
    return replace(rotary(config, shape.head_dim, shape.length, layer_type=layer_type), identity=layer_type)


def modernbert(request: Request) -> Built:
    """ModernBERT as an embedding model."""
    shape, blocks = modernbert_blocks(request.config, "")
    return Built(shape, blocks, pipeline=False)


def modernbert_classifier(request: Request) -> Built:
    """ModernBERT with a pooler and classes."""
    config = request.config
    shape, blocks = modernbert_blocks(config, "model.")
    dense = shape.hidden * (shape.hidden + config.flag("classifier_bias"))
    heads = (
        head("pooling.dense", dense),
        head("pooling.norm", shape.hidden * (1 + config.flag("norm_bias"))),
        head("classifier", labels(config) * (shape.hidden + 1)),
    )
    return Built(shape, (*blocks, Block("", heads, "every")), pipeline=False)


# ---- Decoders with another head


def classifier(decoder: Builder) -> Builder:
    """A decoder with a score for each class in place of its output head (models/adapters.py, as_seq_cls_model)."""

    def build(request: Request) -> Built:
        built = decoder(replace(request, pooling=True))
        config = built.language or request.config
        score = head("score", labels(request.config) * config.integer("hidden_size", "n_embd", "d_model"))
        return replace(built, blocks=(*built.blocks, Block("", (score,), "every")))

    return build


def reward(decoder: Builder, classes: int | None) -> Builder:
    """Qwen2's reward models: two matrices with an activation between them (qwen2_rm.py)."""

    def build(request: Request) -> Built:
        built = decoder(replace(request, pooling=True))
        hidden = built.shape.hidden
        count = labels(request.config) if classes is None else classes
        if not hidden:
            raise ConfigError("config.json gives no hidden_size")
        modules = (
            column("score.0", "other", hidden, hidden, bias=True, quantized=False, dtype=HEAD_DTYPE),
            row("score.2", "other", count, hidden, bias=True, quantized=False, dtype=HEAD_DTYPE),
        )
        return replace(built, blocks=(*built.blocks, Block("", modules, "every")))

    return build
