"""Gemma 3, 3n and 4: layers of local and global attention, which differ in rotary tables and, from 3n on, in shapes."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.model.config import Config, ConfigError
from vram_engine.model.layers import (
    EVERYWHERE,
    column,
    ends,
    gated_mlp,
    layers_by_kind,
    norm,
    plain,
    qkv,
    replicated,
    row,
    word_embedding,
)
from vram_engine.model.rotary import rotary
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Attention, Block, Experts, Linear, Module, Part, Rotary, RoutedExperts

FOUR_NORMS = (
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
)
FULL, SLIDING = "full_attention", "sliding_attention"


def attention_types(config: Config, layers: int, pattern: int) -> tuple[str, ...]:
    """The attention of each layer: stated, or global every ``pattern``-th layer."""
    stated = config.texts("layer_types")
    if stated and len(stated) != layers:
        raise ConfigError(f"config.json: {config.path}layer_types does not name each of the {layers} layers")
    return stated or tuple(FULL if (layer + 1) % pattern == 0 else SLIDING for layer in range(layers))


def table(config: Config, head_dim: int, length: int, layer_type: str) -> Rotary:
    """The rotary table of one type of layers; scaling that is stated once for all is for the global ones alone."""
    stated = config.section("rope_parameters", "rope_scaling").data
    if isinstance(stated.get(layer_type), dict) or layer_type == FULL:
        return rotary(config, head_dim, length, layer_type=layer_type)
    return Rotary(length, head_dim, identity=layer_type)


def four_norms(hidden: int) -> tuple[Module, ...]:
    """The norms before and after attention and MLP."""
    return tuple(norm(name, hidden) for name in FOUR_NORMS)


def gemma_attention(config: Config, shape: Shape, *, shared: bool = False) -> tuple[Module, ...]:
    """Attention with norms of queries and keys; layers that share another layer's KV cache have queries alone."""
    bias = config.flag("attention_bias")
    out = row("self_attn.o_proj", "attention", shape.hidden, shape.attention_width, bias=bias)
    q_norm = plain("self_attn.q_norm", "attention", shape.head_dim)
    if shared:
        queries = Linear(
            "self_attn.q_proj", "attention", (Part("", shape.heads, shape.head_dim),), shape.hidden, "column", bias
        )
        return queries, out, q_norm, Attention(shape.kv_heads)
    return (
        qkv("self_attn.qkv_proj", shape.hidden, shape.heads, shape.kv_heads, shape.head_dim, bias=bias),
        out,
        q_norm,
        plain("self_attn.k_norm", "attention", shape.head_dim),
        Attention(shape.kv_heads),
    )


def gemma3(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Gemma 3's language model (gemma3.py)."""
    shape = read_shape(config)
    types = attention_types(config, shape.layers, config.integer("sliding_window_pattern", default=6) or 1)

    def modules(layer_type: str) -> tuple[Module, ...]:
        return (
            *gemma_attention(config, shape),
            *gated_mlp("mlp", shape.hidden, shape.width),
            *four_norms(shape.hidden),
            table(config, shape.head_dim, shape.length, layer_type),
        )

    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, lambda layer: types[layer], modules),
        *gemma_ends(shape),
    )


def gemma_ends(shape: Shape) -> tuple[Block, ...]:
    """The input table, final norm and head, on every pipeline stage."""
    final = (norm("norm", shape.hidden),)
    return ends("model.", shape.vocab, shape.hidden, tied=shape.tied, final=final, places=EVERYWHERE)


def shares_cache(config: Config, layers: int, layer: int) -> bool:
    """Whether a layer reads the KV cache of an earlier one."""
    return layer >= layers - config.integer("num_kv_shared_layers", default=0)


def per_layer_inputs(width: int, hidden: int) -> tuple[Module, ...]:
    """The part of a layer that mixes in its own input embedding."""
    if width == 0:
        return ()
    return (
        replicated("per_layer_input_gate", "other", width, hidden),
        replicated("per_layer_projection", "other", hidden, width),
        norm("post_per_layer_input_norm", hidden),
    )


def per_layer_tables(config: Config, shape: Shape, prefix: str) -> tuple[Block, ...]:
    """The input embeddings of all layers, side by side in one table."""
    width = config.integer("hidden_size_per_layer_input", default=0)
    if width == 0:
        return ()
    vocab = config.integer("vocab_size_per_layer_input", default=shape.vocab)
    modules: tuple[Module, ...] = (
        word_embedding("embed_tokens_per_layer", vocab, shape.layers * width),
        column("per_layer_model_projection", "other", shape.layers * width, shape.hidden),
        norm("per_layer_projection_norm", width),
    )
    return (Block(prefix, modules, "every"),)


# ---- Gemma 3n


def gemma3n(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Gemma 3n's language model (gemma3n.py)."""
    widths = config.integers("intermediate_size")
    if not widths:
        raise ConfigError(f"config.json gives no {config.path}intermediate_size")
    shape = read_shape(Config(dict(config.data) | {"intermediate_size": max(widths)}, config.path, config.implied_type))
    if len(widths) not in {1, shape.layers}:
        raise ConfigError(f"config.json: {config.path}intermediate_size does not name each of the layers")
    types = attention_types(config, shape.layers, 5)

    def kind(layer: int) -> tuple[str, bool, int]:
        return types[layer], shares_cache(config, shape.layers, layer), widths[layer % len(widths)]

    def modules(kind: tuple[str, bool, int]) -> tuple[Module, ...]:
        layer_type, shared, width = kind
        return (
            *gemma_attention(config, shape, shared=shared),
            *gated_mlp("mlp", shape.hidden, width),
            *four_norms(shape.hidden),
            *alternating_updates(config, shape.hidden),
            *per_layer_inputs(config.integer("hidden_size_per_layer_input"), shape.hidden),
            table(config, shape.head_dim, shape.length, layer_type),
        )

    copies = max(0, config.integer("altup_num_inputs") - 1)
    unembed = replace(column("altup_unembed_projections", "other", shape.hidden, shape.hidden), replicas=copies)
    embed = replace(column("altup_projections", "other", shape.hidden, shape.hidden), replicas=copies)
    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, kind, modules),
        Block("model.self_decoder.", (word_embedding("embed_tokens", shape.vocab, shape.hidden), embed), "every"),
        *per_layer_tables(config, shape, "model.self_decoder."),
        Block("model.", (unembed, norm("norm", shape.hidden)), "every"),
    )


def alternating_updates(config: Config, hidden: int) -> tuple[Module, ...]:
    """Gemma 3n's parallel streams (AltUp) and low-rank residual (LAuReL) of one layer."""
    streams, rank = config.integer("altup_num_inputs"), config.integer("laurel_rank")
    return (
        plain("altup.correct_output_scale", "other", hidden, dtype="float32"),
        replicated("altup.correction_coefs", "other", streams, streams),
        replicated("altup.prediction_coefs", "other", streams * streams, streams),
        replicated("altup.modality_router", "router", streams, hidden),
        norm("altup.router_norm", hidden),
        column("laurel.linear_left", "other", rank, hidden),
        row("laurel.linear_right", "other", hidden, rank),
        norm("laurel.post_laurel_norm", hidden),
    )


# ---- Gemma 4


def gemma4(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Gemma 4's language model, dense or with experts beside the MLP (gemma4.py)."""
    shape = read_shape(config)
    types = gemma4_types(config, shape.layers)
    doubled = config.flag("use_double_wide_mlp")

    def kind(layer: int) -> tuple[str, bool]:
        return types[layer], shares_cache(config, shape.layers, layer)

    def modules(kind: tuple[str, bool]) -> tuple[Module, ...]:
        layer_type, shared = kind
        own = gemma4_heads(config, shape, layer_type)
        return (
            *gemma_attention(config, own, shared=shared),
            *gated_mlp("mlp", shape.hidden, shape.width * (2 if doubled and shared else 1)),
            *four_norms(shape.hidden),
            *gemma4_experts(config, shape.hidden),
            *per_layer_inputs(config.integer("hidden_size_per_layer_input", default=0), shape.hidden),
            gemma4_table(own, layer_type),
        )

    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, kind, modules),
        *per_layer_tables(config, shape, "model."),
        *gemma_ends(shape),
    )


def gemma4_types(config: Config, layers: int) -> tuple[str, ...]:
    """The attention of each layer, of which the last is global whatever the config says."""
    return (*attention_types(config, layers, 6)[:-1], FULL)


def gemma4_heads(config: Config, shape: Shape, layer_type: str) -> Shape:
    """Heads of a layer: global ones may be wider, and fewer where keys serve as values."""
    if layer_type != FULL:
        return shape
    kv_heads = config.optional_integer("num_global_key_value_heads") if config.flag("attention_k_eq_v") else None
    return replace(
        shape,
        head_dim=config.integer("global_head_dim", default=512),
        kv_heads=shape.kv_heads if kv_heads is None else kv_heads,
    )


def gemma4_table(shape: Shape, layer_type: str) -> Rotary:
    """A table of the whole head, also where only part of it is turned (``proportional`` rope)."""
    return Rotary(shape.length, shape.head_dim, identity=layer_type)


def gemma4_experts(config: Config, hidden: int) -> tuple[Module, ...]:
    """Experts beside the MLP, with the scales of their router and three more norms."""
    count = config.optional_integer("num_experts")
    if not count:
        return ()
    width = config.integer("moe_intermediate_size", "expert_intermediate_size")
    return (
        replicated("router.proj", "router", count, hidden, quantized=False),
        plain("router.scale", "router", hidden),
        plain("router.per_expert_scale", "router", count),
        RoutedExperts("experts", count, width, hidden),
        norm("post_feedforward_layernorm_1", hidden),
        norm("post_feedforward_layernorm_2", hidden),
        norm("pre_feedforward_layernorm_2", hidden),
    )


def gemma4_summary(config: Config, layers: int) -> Experts | None:
    """The summary of Gemma 4's experts, if it has any."""
    count = config.optional_integer("num_experts")
    if not count:
        return None
    width = config.integer("moe_intermediate_size", "expert_intermediate_size")
    return Experts(count, config.integer("top_k_experts", default=0), width, 0, layers)
