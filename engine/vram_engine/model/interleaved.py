"""Decoders whose layers alternate in shape, or are made of two halves: Llama 4, MiMo-V2, Laguna and LongCat."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.model.config import Config, ConfigError
from vram_engine.model.dense import Traits
from vram_engine.model.layer_kinds import plain_attention, two_norms
from vram_engine.model.layers import ends, gated_mlp, layers_by_kind, norm, plain, qkv, row, sharded
from vram_engine.model.mla import deepseek_rope, mla_projections, read_latent
from vram_engine.model.moe import (
    MoeTraits,
    Router,
    by_mlp_types,
    dense_block,
    expert_block,
    interleaved,
    router,
    shared_by_width,
)
from vram_engine.model.rotary import rotary
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Attention, Block, Linear, Module, Part, Rotary, RoutedExperts

LLAMA4_MOE = MoeTraits(
    Traits(),
    count=("num_local_experts",),
    width=("intermediate_size",),
    dense_width=("intermediate_size_mlp",),
    block="feed_forward",
    router=Router("router"),
    shared="feed_forward.shared_expert",
    shared_width=shared_by_width("intermediate_size"),
    is_sparse=interleaved,
)


def llama4(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Llama 4's language model: experts every so many layers, positions on all but every fourth (llama4.py)."""
    shape = read_shape(config)
    positioned = llama4_positions(config, shape.layers)

    def kind(layer: int) -> tuple[bool, bool]:
        return interleaved(config, layer), positioned[layer]

    def modules(kind: tuple[bool, bool]) -> tuple[Module, ...]:
        sparse, turned = kind
        block = expert_block(config, shape, LLAMA4_MOE) if sparse else dense_block(config, shape, LLAMA4_MOE)
        positions = (rotary(config, shape.head_dim, shape.length),) if turned else ()
        return (*plain_attention(shape), *block, *two_norms(shape), *positions)

    final = (norm("norm", shape.hidden),)
    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, kind, modules),
        *ends("model.", shape.vocab, shape.hidden, tied=shape.tied, final=final),
    )


def llama4_positions(config: Config, layers: int) -> tuple[bool, ...]:
    """Which layers have rotary positions: ``no_rope_layers`` says 0 for those without."""
    stated = config.integers("no_rope_layers")
    if not stated:
        interval = max(1, config.integer("no_rope_layer_interval", default=4))
        return tuple((layer + 1) % interval != 0 for layer in range(layers))
    if len(stated) != layers:
        raise ConfigError(f"config.json: {config.path}no_rope_layers does not name each of the {layers} layers")
    return tuple(value != 0 for value in stated)


MIMO_MOE = MoeTraits(
    Traits(),
    count=("n_routed_experts",),
    router=Router(dtype="float32", correction=True),
)


def mimo_v2(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """MiMo-V2: local layers with heads and rope of their own and a sink, and experts (mimo_v2.py)."""
    shape = read_shape(config)
    local = config.integers("hybrid_layer_pattern")
    sparse = config.integers("moe_layer_freq")
    if len(local) != shape.layers or len(sparse) != shape.layers:
        raise ConfigError(f"config.json does not say of each of the {shape.layers} layers what it is")

    def kind(layer: int) -> tuple[bool, bool]:
        return local[layer] == 1, sparse[layer] != 0

    def modules(kind: tuple[bool, bool]) -> tuple[Module, ...]:
        is_local, has_experts = kind
        block = expert_block(config, shape, MIMO_MOE) if has_experts else gated_mlp("mlp", shape.hidden, shape.width)
        return (*mimo_attention(config, shape, is_local=is_local), *block, *two_norms(shape))

    final = (norm("norm", shape.hidden),)
    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, kind, modules),
        *ends("model.", shape.vocab, shape.hidden, tied=shape.tied, final=final),
    )


def mimo_attention(config: Config, shape: Shape, *, is_local: bool) -> tuple[Module, ...]:
    """Attention of one layer, whose values are narrower than its keys."""
    own = "swa_" if is_local else ""
    heads = config.integer(f"{own}num_attention_heads")
    kv_heads = config.integer(f"{own}num_key_value_heads")
    head_dim = config.integer(f"{own}head_dim")
    value = config.integer(f"{own}v_head_dim", default=head_dim)
    sink = is_local and config.flag("add_swa_attention_sink_bias")
    dims = int(head_dim * config.number("partial_rotary_factor", default=1.0))
    theta = config.number(f"{own}rope_theta", "rope_theta", default=1e6)
    return (
        qkv(
            "self_attn.qkv_proj",
            shape.hidden,
            heads,
            kv_heads,
            head_dim,
            v_head_dim=value,
            bias=config.flag("attention_bias"),
        ),
        row("self_attn.o_proj", "attention", shape.hidden, heads * value),
        *((sharded("self_attn.attention_sink_bias", "attention", heads),) if sink else ()),
        Attention(kv_heads),
        Rotary(shape.length, dims, identity=f"{theta:g}"),
    )


# ---- LongCat and Laguna


LONGCAT_ROUTER = Router("classifier", dtype="float32", correction=True)


def longcat(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """LongCat-Flash: two latent attentions and two MLPs a layer, with experts beside them (longcat_flash.py)."""
    shape = replace(read_shape(config), layers=config.layers("num_layers", "num_hidden_layers"), tied=False)
    width = config.integer("ffn_hidden_size", "intermediate_size")
    count = config.integer("n_routed_experts")
    scored = count + config.integer("zero_expert_num", default=0)
    halves = tuple(
        module
        for half in range(2)
        for module in (
            *mla_projections(read_latent(config), shape, f"self_attn.{half}."),
            *gated_mlp(f"mlps.{half}", shape.hidden, width),
            *two_norms(shape),
        )
    )
    layer: tuple[Module, ...] = (
        *halves,
        *router("mlp.router.", shape.hidden, scored, LONGCAT_ROUTER, config),
        RoutedExperts("mlp.experts", count, config.integer("expert_ffn_hidden_size"), shape.hidden),
        replace(rotary(deepseek_rope(config), config.integer("qk_rope_head_dim"), shape.length), identity="latent"),
    )
    return shape, (
        Block("model.layers.{}.", layer, layers=shape.every_layer),
        *ends("model.", shape.vocab, shape.hidden, tied=False, final=(norm("norm", shape.hidden),)),
    )


LAGUNA_MOE = MoeTraits(
    Traits(),
    router=Router(correction=True),
    shared="mlp.shared_expert",
    shared_width=shared_by_width("shared_expert_intermediate_size"),
    is_sparse=by_mlp_types,
)


def laguna(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Laguna: gated attention whose heads may differ by layer, and experts (laguna.py)."""
    shape = read_shape(config)
    heads = config.integers("num_attention_heads_per_layer") or (shape.heads,) * shape.layers
    types = config.texts("layer_types") or ("full_attention",) * shape.layers
    if len(heads) != shape.layers or len(types) != shape.layers:
        raise ConfigError(f"config.json does not say of each of the {shape.layers} layers what it is")

    def kind(layer: int) -> tuple[int, str, bool]:
        return heads[layer], types[layer], by_mlp_types(config, layer)

    def modules(kind: tuple[int, str, bool]) -> tuple[Module, ...]:
        own, layer_type, sparse = kind
        block = expert_block(config, shape, LAGUNA_MOE) if sparse else dense_block(config, shape, LAGUNA_MOE)
        return (*laguna_attention(config, replace(shape, heads=own), layer_type), *block, *two_norms(shape))

    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, kind, modules),
        *ends("model.", shape.vocab, shape.hidden, tied=shape.tied, final=(norm("norm", shape.hidden),)),
    )


def laguna_attention(config: Config, shape: Shape, layer_type: str) -> tuple[Module, ...]:
    """Attention of one layer with its gate, one value a head or one an element."""
    gating = config.raw("gating")
    gated = gating is not None and bool(gating[1])
    per_head = gating is not None and gating[1] in (True, "per-head")
    gate = Part("", shape.heads, 1 if per_head else shape.head_dim)
    sink = layer_type == "sliding_attention" and config.flag("swa_attention_sink_enabled")
    local = config.optional_section("swa_rope_parameters") if layer_type == "sliding_attention" else None
    roped = config if local is None else Config(dict(config.data) | {"rope_parameters": local.data}, config.path)
    return (
        *plain_attention(shape, bias=config.flag("attention_bias")),
        *((Linear("self_attn.g_proj", "attention", (gate,), shape.hidden),) if gated else ()),
        *((sharded("self_attn.sink", "attention", shape.heads),) if sink else ()),
        plain("self_attn.q_norm", "attention", shape.head_dim),
        plain("self_attn.k_norm", "attention", shape.head_dim),
        rotary(roped, shape.head_dim, shape.length, layer_type=layer_type),
    )
