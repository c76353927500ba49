"""Step 3 and Step 3.5: decoders whose config lists their sparse layers in a text, with experts beside a shared one."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.model.config import Config, ConfigError
from vram_engine.model.layer_kinds import plain_attention, two_norms
from vram_engine.model.layers import column, ends, gated_mlp, layers_by_kind, norm, plain, replicated, row
from vram_engine.model.moe import Router, router
from vram_engine.model.rotary import rotary
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Attention, Block, Experts, Linear, Module, Part, Rotary, RoutedExperts

SLIDING = "sliding_attention"
STEP35_ROUTER = Router(dtype="float32")


def sparse_layers(config: Config, layers: int) -> frozenset[int]:
    """The layers with experts: those ``moe_layers_enum`` lists, else all but the first."""
    stated = config.text("moe_layers_enum")
    if not stated:
        return frozenset(range(1, layers))
    numbers = [number.strip() for number in stated.split(",")[: 2 * layers]]
    if not all(number.isdecimal() and len(number) < 6 for number in numbers):
        raise ConfigError(f"config.json: {config.path}moe_layers_enum is not a list of layers")
    return frozenset(int(number) for number in numbers)


def experts_of(config: Config, layers: int) -> Experts:
    """The summary of a Step model's experts."""
    sparse = len(sparse_layers(config, layers) & frozenset(range(layers)))
    width = config.integer("moe_intermediate_size")
    return Experts(config.integer("moe_num_experts"), config.integer("moe_top_k"), width, shared_width(config), sparse)


def shared_width(config: Config) -> int:
    """The width of the shared expert; left out, that of all experts that answer a token."""
    implied = config.integer("moe_intermediate_size") * config.integer("moe_top_k")
    return config.integer("share_expert_dim", default=implied)


def feed_forward(config: Config, shape: Shape, *, sparse: bool, shared: str, routing: Router) -> tuple[Module, ...]:
    """The MLP of a layer, or its router, experts and shared expert."""
    if not sparse:
        return gated_mlp("mlp", shape.hidden, shape.width)
    count = config.integer("moe_num_experts")
    return (
        *router("moe.", shape.hidden, count, routing, config),
        RoutedExperts("moe.experts", count, config.integer("moe_intermediate_size"), shape.hidden),
        *gated_mlp(shared, shape.hidden, shared_width(config), kind="shared_experts"),
    )


# ---- Step 3.5 (step3p5.py)


def step35(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Step 3.5: gated attention, whose layers of one type may have a number and size of heads of their own."""
    shape = read_shape(config)
    shape = replace(shape, kv_heads=config.integer("num_attention_groups", default=shape.kv_heads))
    types = config.texts("layer_types") or tuple(
        SLIDING if layer % 2 == 0 else "full_attention" for layer in range(shape.layers)
    )
    if len(types) < shape.layers:
        raise ConfigError(f"config.json does not say of each of the {shape.layers} layers what it is")
    sparse = sparse_layers(config, shape.layers)
    partial = rotary_parts(config, shape.layers)
    thetas = rotary_bases(config, shape.layers)

    def kind(layer: int) -> tuple[str, bool, float, float]:
        return types[layer], layer in sparse, partial[layer], thetas[layer]

    def modules(kind: tuple[str, bool, float, float]) -> tuple[Module, ...]:
        layer_type, has_experts, part, theta = kind
        block = feed_forward(config, shape, sparse=has_experts, shared="moe.share_expert", routing=STEP35_ROUTER)
        bias = (plain("moe.router_bias", "router", config.integer("moe_num_experts"), dtype="float32"),)
        heads = step35_heads(config, shape, layer_type)
        return (
            *step35_attention(config, heads),
            step35_table(config, heads, layer_type, part, theta),
            *block,
            *(bias if has_experts else ()),
            *two_norms(shape),
        )

    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, kind, modules),
        *ends("model.", shape.vocab, shape.hidden, tied=shape.tied, final=(norm("norm", shape.hidden),)),
    )


def rotary_parts(config: Config, layers: int) -> tuple[float, ...]:
    """Which part of a head is turned, layer by layer."""
    stated = config.sequence("partial_rotary_factors")
    if not stated:
        return (1.0,) * layers
    parts = tuple(part for part in stated if isinstance(part, int | float) and part in (0.5, 1))
    if len(parts) < layers:
        raise ConfigError(f"config.json: {config.path}partial_rotary_factors are not understood")
    return parts


def rotary_bases(config: Config, layers: int) -> tuple[float, ...]:
    """The base of the rotary angles, one for all layers or one for each."""
    found = config.raw("rope_theta")
    if found is None or not isinstance(found[1], list | tuple):
        return (config.number("rope_theta", default=500000.0),) * layers
    bases = tuple(float(base) for base in found[1][:layers] if isinstance(base, int | float) and 0 < base < 1e15)
    if len(bases) < layers:
        raise ConfigError(f"config.json: {config.path}rope_theta does not name each of the {layers} layers")
    return bases


def step35_heads(config: Config, shape: Shape, layer_type: str) -> Shape:
    """The shape with the heads of layers of this type."""
    other = config.optional_section("attention_other_setting")
    if other is None or not config.has("layer_types") or layer_type != other.text("attention_type"):
        return shape
    return replace(
        shape,
        heads=other.integer("num_attention_heads"),
        kv_heads=other.integer("num_attention_groups"),
        head_dim=other.integer("head_dim", default=shape.head_dim),
    )


def step35_attention(config: Config, shape: Shape) -> tuple[Module, ...]:
    """Attention of one layer with its norms and the gate of each head."""
    gate = Linear("self_attn.g_proj", "attention", (Part("", shape.heads),), shape.hidden)
    return (
        *plain_attention(shape, bias=config.flag("attention_bias")),
        *((gate,) if config.flag("use_head_wise_attn_gate") else ()),
        plain("self_attn.q_norm", "attention", shape.head_dim),
        plain("self_attn.k_norm", "attention", shape.head_dim),
    )


def step35_table(config: Config, shape: Shape, layer_type: str, part: float, theta: float) -> Rotary:
    """The rotary table of one layer; a scaling may be for one type of layers only."""
    scaled = config.texts("yarn_only_types")
    scaling = {} if scaled and layer_type not in scaled else dict(config.section("rope_scaling").data)
    rope = scaling | {"rope_theta": theta, "partial_rotary_factor": part}
    own = Config(dict(config.data) | {"rope_parameters": rope}, config.path, config.implied_type)
    return rotary(own, shape.head_dim, shape.length)


# ---- Step 3 (step3_text.py)


def step3(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Step 3: queries factored through a shared rank, one head of keys and values for all."""
    shape = replace(read_shape(config), kv_heads=1)
    sparse = sparse_layers(config, shape.layers)

    def modules(has_experts: bool) -> tuple[Module, ...]:
        return (
            *step3_attention(config, shape),
            *feed_forward(config, shape, sparse=has_experts, shared="share_expert", routing=Router()),
            *two_norms(shape),
        )

    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, lambda layer: layer in sparse, modules),
        *ends("model.", shape.vocab, shape.hidden, tied=shape.tied, final=(norm("norm", shape.hidden),)),
    )


def step3_attention(config: Config, shape: Shape) -> tuple[Module, ...]:
    """Compressed queries, the key and the value on every rank; the queries' expansion divided by heads."""
    rank = config.integer("share_q_dim", default=shape.attention_width)
    length = config.integer("max_position_embedding", default=65536)
    expansion = column("self_attn.wq", "attention", shape.attention_width, rank)
    return (
        replicated("self_attn.qkv_proj", "attention", rank + 2 * shape.head_dim, shape.hidden),
        row("self_attn.o_proj", "attention", shape.hidden, shape.attention_width),
        plain("self_attn.inter_norm", "attention", rank),
        replace(expansion, parts=(Part("", shape.heads, shape.head_dim),)),
        Attention(1),
        rotary(config, shape.head_dim, length),
    )
