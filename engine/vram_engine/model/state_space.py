"""Decoders of Mamba-1 layers with attention now and then, and pure state-space ones."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.model.config import Config
from vram_engine.model.layer_kinds import final_norm, plain_attention, two_norms
from vram_engine.model.layers import (
    EVERYWHERE,
    ends,
    gated_mlp,
    layers_by_kind,
    norm,
)
from vram_engine.model.mamba import Mamba1Shape, Mamba2Shape, mamba1, mamba2
from vram_engine.model.moe import (
    Router,
    router,
)
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Attention, Block, Module, RoutedExperts


def jamba(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Jamba: Mamba-1 or attention, then experts or an MLP, each with a period of its own (jamba.py)."""
    shape = replace(read_shape(config), tied=False)
    count = config.integer("num_experts", default=16)
    mixer = mamba1(
        "mamba",
        Mamba1Shape(
            shape.hidden,
            config.integer("mamba_expand", default=2) * shape.hidden,
            config.integer("mamba_d_state", default=16),
            config.integer("mamba_dt_rank", default=-(-shape.hidden // 16)),
            config.integer("mamba_d_conv", default=4),
            config.flag("mamba_conv_bias", default=True),
            config.flag("mamba_proj_bias"),
            normed=True,
        ),
    )

    def modules(kind: tuple[bool, bool]) -> tuple[Module, ...]:
        attends, sparse = kind
        block: tuple[Module, ...] = (
            (
                *router("feed_forward.", shape.hidden, count, Router("router"), config),
                RoutedExperts("feed_forward.experts", count, shape.width, shape.hidden),
            )
            if sparse
            else gated_mlp("feed_forward", shape.hidden, shape.width)
        )
        # Jamba hands no quantization to its attention operator: there are no cache scales beside it.
        attention = tuple(module for module in plain_attention(shape) if not isinstance(module, Attention))
        return (*(attention if attends else mixer), *block, *two_norms(shape))

    def kind(layer: int) -> tuple[bool, bool]:
        return _periodic(config, "attn_layer", layer, 8, 4), count > 1 and _periodic(
            config, "expert_layer", layer, 2, 1
        )

    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, kind, modules),
        *ends(
            "model.",
            shape.vocab,
            shape.hidden,
            tied=False,
            final=final_norm(shape, "final_layernorm"),
            places=EVERYWHERE,
        ),
    )


def _periodic(config: Config, name: str, layer: int, period: int, offset: int) -> bool:
    every = max(1, config.integer(f"{name}_period", default=period))
    return layer % every == config.integer(f"{name}_offset", default=offset)


def pure_mamba(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Mamba and Falcon-Mamba: nothing but Mamba-1 mixers (mamba.py)."""
    shape = pure_shape(config)
    rank = config.raw("time_step_rank")
    mixer = mamba1(
        "mixer",
        Mamba1Shape(
            shape.hidden,
            shape.width,
            config.integer("state_size", default=16),
            config.integer("time_step_rank") if rank and rank[1] != "auto" else -(-shape.hidden // 16),
            config.integer("conv_kernel", default=4),
            config.flag("use_conv_bias", default=True),
            config.flag("use_bias"),
        ),
    )
    return shape, pure_blocks(shape, (*mixer, norm("norm", shape.hidden)))


def pure_mamba2(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Mamba 2: nothing but Mamba-2 mixers (mamba2.py)."""
    shape = pure_shape(config)
    mixer = mamba2(
        "mixer",
        Mamba2Shape(
            shape.hidden,
            shape.width,
            config.integer("num_heads"),
            config.integer("state_size", default=128),
            config.integer("n_groups", default=8),
            config.integer("conv_kernel", default=4),
            config.flag("use_conv_bias", default=True),
            config.flag("use_bias"),
        ),
    )
    return shape, pure_blocks(shape, (*mixer, norm("norm", shape.hidden)))


def pure_shape(config: Config) -> Shape:
    """The shape of a model without attention: no heads, and the inner width of its mixers."""
    hidden = config.integer("hidden_size", "d_model")
    return Shape(
        hidden,
        config.layers("num_hidden_layers", "n_layer"),
        0,
        0,
        0,
        config.integer("intermediate_size", default=int(config.number("expand", default=2.0) * hidden)),
        config.integer("vocab_size"),
        0,
        config.flag("tie_word_embeddings", default=True),
    )


def pure_blocks(shape: Shape, layer: tuple[Module, ...]) -> tuple[Block, ...]:
    """The blocks of a model whose layers are all alike, under the name ``backbone``."""
    return (
        Block("backbone.layers.{}.", layer, layers=shape.every_layer),
        *ends(
            "backbone.",
            shape.vocab,
            shape.hidden,
            tied=shape.tied,
            final=final_norm(shape, "norm_f"),
            embedding="embeddings",
            places=EVERYWHERE,
        ),
    )
