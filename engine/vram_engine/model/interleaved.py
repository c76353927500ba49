"""Decoders whose layers alternate in shape without a recurrent state: Llama 4 and MiMo-V2."""

from __future__ import annotations

from vram_engine.model.config import Config, ConfigError
from vram_engine.model.dense import Traits
from vram_engine.model.hybrid import plain_attention, two_norms
from vram_engine.model.layers import ends, gated_mlp, layers_by_kind, norm, qkv, row, sharded
from vram_engine.model.moe import MoeTraits, Router, dense_block, expert_block, interleaved, shared_by_width
from vram_engine.model.rotary import rotary
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Attention, Block, Module, Rotary

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
        block = (
            expert_block(config, shape, MIMO_MOE) if has_experts else gated_mlp("mlp", shape.hidden, shape.width)
        )
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
