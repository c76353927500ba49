"""Molmo and Molmo 2: a decoder whose input table has tokens beyond its vocabulary, a tower, pooling and a projector."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.model.built import Built, Request
from vram_engine.model.config import Config, ConfigError
from vram_engine.model.dense import HeadNorms, Names, Traits, layer
from vram_engine.model.layers import EVERYWHERE, column, ends, merged, norm, row, word_embedding
from vram_engine.model.multimodal import language_section
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Block
from vram_engine.model.vision import Blocks, Encoder, EncoderNames, encoder_layer, held, loose, stack

NAMES = Names(qkv_parts=("qkv_proj",) * 3, up_parts=("gate_up_proj",) * 2)
VIT_NAMES = EncoderNames("attention.merged_qkv", "attention.wo", "feed_forward.w1", "feed_forward.w2")


def decoder(config: Config, shape: Shape, traits: Traits, *, table: int, pooling: bool) -> tuple[Block, ...]:
    """The decoder, whose input table has rows of its own number and is never tied to the head; all on every stage."""
    final = (norm("norm", shape.hidden),)
    first, *around = ends(
        "model.", shape.vocab, shape.hidden, tied=False, final=final, pooling=pooling, places=EVERYWHERE
    )
    return (
        Block("model.layers.{}.", layer(config, shape, traits), layers=shape.every_layer),
        replace(first, modules=(word_embedding("embed_tokens", table, shape.hidden),)),
        *around,
    )


# ---- Molmo (molmo.py)

# The tower has one size (VisionBackboneConfig), and the tables of image tokens as well.
CLIP_HIDDEN, CLIP_WIDTH, CLIP_HEADS, CLIP_LAYERS, CLIP_POSITIONS = 1024, 4096, 16, 23, 577
IMAGE_TOKENS = 128


def molmo(request: Request) -> Built:
    """Molmo: CLIP, pooling by attention over two of its layers, and a projector as wide as the language model's MLP."""
    config = request.config
    stated = read_shape(config)
    shape = replace(stated, tied=False, width=stated.width // 2, head_dim=stated.hidden // max(1, stated.heads))
    traits = Traits(
        qkv_bias=("qkv_bias",),
        head_norms="projection" if config.flag("attention_layer_norm") else "none",
        names=NAMES,
    )
    table = config.integer("embedding_size", default=shape.vocab) + IMAGE_TOKENS
    blocks = (*molmo_tower(shape), *decoder(config, shape, traits, table=table, pooling=request.pooling))
    return Built(shape, blocks, tower=True)


def molmo_tower(shape: Shape) -> Blocks:
    """The tower, its pooling and its projector, divided over ranks."""
    hidden = CLIP_HIDDEN
    apart = tuple(column(f"attention.{name}", "tower", hidden, hidden, bias=True) for name in ("wq", "wk", "wv"))
    encoder = Encoder(hidden, CLIP_HEADS, CLIP_WIDTH, VIT_NAMES)
    pooling = (
        *(column(name, "tower", hidden, 2 * hidden, bias=True) for name in ("wq", "wk", "wv")),
        row("wo", "tower", hidden, hidden, bias=True),
    )
    return (
        stack(
            "vision_backbone.image_vit.transformer.resblocks.{}.", (*apart, *encoder_layer(encoder)[1:]), CLIP_LAYERS
        ),
        loose(
            "vision_backbone.",
            held("pad_embed", 4 * hidden),
            held("image_vit.embeddings", hidden * (1 + 3 * 14 * 14 + CLIP_POSITIONS)),
            held("image_vit.pre_ln", 2 * hidden),
        ),
        loose("vision_backbone.image_pooling_2d.", *pooling),
        projector(hidden, shape.width, shape.hidden),
    )


def projector(features: int, width: int, out: int) -> Block:
    """The gated projector of both Molmos."""
    return loose(
        "vision_backbone.image_projector.",
        merged("merged_linear", "tower", (("gate_proj", width), ("up_proj", width)), features),
        row("down_proj", "tower", out, width),
    )


# ---- Molmo 2 (molmo2.py)


def molmo2(request: Request) -> Built:
    """Molmo 2: a tower and an adapter described by sections of their own."""
    config = request.config
    text = language_section(config)
    shape = replace(read_shape(text), tied=False)
    traits = Traits(qkv_bias=("qkv_bias",), head_norms=molmo2_norms(text), names=NAMES)
    table = shape.vocab + text.integer("additional_vocab_size", default=0)
    blocks = (*molmo2_tower(config, shape), *decoder(text, shape, traits, table=table, pooling=request.pooling))
    return Built(shape, blocks, language=text, tower=True)


def molmo2_norms(text: Config) -> HeadNorms:
    """Whether queries and keys have norms, over a head or the whole projection."""
    if not text.flag("use_qk_norm"):
        return "none"
    return "head" if text.text("qk_norm_type", default="olmo") == "qwen3" else "projection"


def molmo2_tower(config: Config, shape: Shape) -> Blocks:
    """The tower down to the deepest layer that is used, pooling over the features of those layers, and a projector."""
    vision, adapter = config.section("vit_config"), config.section("adapter_config")
    hidden = vision.integer("hidden_size")
    depths = used_layers(adapter, vision.layers("num_hidden_layers"))
    encoder = Encoder(hidden, vision.integer("num_attention_heads"), vision.integer("intermediate_size"), VIT_NAMES)
    area = 3 * vision.integer("image_patch_size") ** 2
    inner = adapter.integer("num_attention_heads") * adapter.integer("head_dim")
    features = hidden * len(depths)
    keys = adapter.integer("num_key_value_heads") * adapter.integer("head_dim")
    pooling = (
        column("q_proj", "tower", inner, features, bias=True),
        merged("merged_kv", "tower", (("k_proj", keys), ("v_proj", keys)), features, bias=True),
        row("o_proj", "tower", adapter.integer("hidden_size"), inner, bias=True),
    )
    return (
        stack("vision_backbone.image_vit.transformer.resblocks.{}.", encoder_layer(encoder), max(depths) + 1),
        loose(
            "vision_backbone.image_vit.",
            held("positional_embedding", vision.integer("image_num_pos") * hidden),
            held("patch_embedding", hidden * (area + 1)),
        ),
        loose("vision_backbone.image_pooling_2d.", *pooling),
        projector(adapter.integer("hidden_size"), adapter.integer("intermediate_size"), shape.hidden),
    )


def used_layers(adapter: Config, layers: int) -> tuple[int, ...]:
    """The layers of the tower whose features are used, counted from its beginning or its end."""
    stated = adapter.sequence("vit_layers")
    depths = [depth + layers if isinstance(depth, int) and depth < 0 else depth for depth in stated]
    used = tuple(depth for depth in depths if isinstance(depth, int) and 0 <= depth < layers)
    if not used or len(used) != len(depths):
        raise ConfigError(f"config.json: {adapter.path}vit_layers names no layers of the vision tower")
    return used
