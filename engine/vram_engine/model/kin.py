"""Decoders of experts that stay close to Bailing or DeepSeek: Ling, Sarvam, Param2, A.X-K1, openPangu Ultra, Mellum.

Each is one of those with a few sizes read in its own way, and is told here by what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from vram_engine.model.built import Built, Request
from vram_engine.model.config import Config
from vram_engine.model.dense import HeadNorms, Traits, dense_shape
from vram_engine.model.layers import (
    column,
    ends,
    gated_mlp,
    layers_by_kind,
    norm,
    plain,
    qkv,
    row,
    sharded,
)
from vram_engine.model.mla import DEEPSEEK, mla_attention, mla_decoder, with_correction
from vram_engine.model.moe import (
    BAILING_NAMES,
    MoeTraits,
    Router,
    after_first_dense,
    bailing_shared,
    expert_block,
    experts_shape,
    moe_decoder,
    norms,
)
from vram_engine.model.rotary import rotary
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Block, Module

BAILING = MoeTraits(
    Traits(
        qkv_bias=("use_bias", "use_qkv_bias"),
        out_bias=("use_bias",),
        mlp_bias=("use_bias",),
        names=BAILING_NAMES,
    ),
    count=("num_experts",),
    shared_width=bailing_shared,
    is_sparse=after_first_dense,
)


def filled(config: Config, values: Mapping[str, object]) -> Config:
    """The config with ``values`` where it has none, as a model class reads it with a fallback."""
    return replace(config, data={**values, **{key: value for key, value in config.data.items() if value is not None}})


def decoder_of(traits_of: Callable[[Config], MoeTraits], defaults: Mapping[str, object]) -> Callable[[Request], Built]:
    """The builder of a mixture of experts whose traits depend on its config."""

    def build(request: Request) -> Built:
        config = filled(request.config, defaults)
        traits = traits_of(config)
        shape = dense_shape(config, traits.dense)
        blocks = moe_decoder(config, traits, pooling=request.pooling)
        return Built(shape, blocks, experts_shape(config, shape, traits))

    return build


def bailing(config: Config) -> MoeTraits:
    """Bailing and Ling 2: the router's dtype is stated, norms of heads have biases unless RMS (bailing_moe.py).

    Any stated dtype but ``fp32`` is 16 bits, which is the model's own.
    """
    return replace(
        BAILING,
        dense=replace(BAILING.dense, head_norms=bailing_norms(config)),
        router=bailing_router(config, stated_only=True),
    )


def bailing_norms(config: Config) -> HeadNorms:
    """Which norms of queries and keys there are."""
    if not config.flag("use_qk_norm"):
        return "none"
    return "head" if config.flag("use_rmsnorm") else "biased head"


def bailing_router(config: Config, *, stated_only: bool) -> Router:
    """Bailing's router; where no dtype is stated it is the model's, or float32 in Bailing 2.5."""
    stated = config.text("router_dtype")
    dtype = "float32" if stated == "fp32" else "bfloat16" if stated else None if stated_only else "float32"
    return Router(dtype=dtype, correction=config.flag("moe_router_enable_expert_bias"))


def param2(config: Config) -> MoeTraits:
    """Param2: a width of its own is that of all shared experts together (param2moe.py)."""
    return MoeTraits(
        Traits(qkv_bias=("use_qkv_bias",), out_bias=("use_bias",), head_norms="optional head"),
        count=("num_experts",),
        router=Router(dtype="float32", correction=config.flag("moe_router_enable_expert_bias")),
        shared_width=param2_shared,
        is_sparse=lambda config, layer: layer >= config.integer("first_k_dense_replace"),
    )


PARAM2_DEFAULTS = {"moe_router_enable_expert_bias": True, "num_shared_experts": 1, "first_k_dense_replace": 1}


def param2_shared(config: Config) -> int:
    """The width of Param2's shared experts."""
    count = config.integer("num_shared_experts")
    routed = config.integer("moe_intermediate_size")
    return config.integer("moe_shared_expert_intermediate_size", default=count * routed) if count else 0


def mellum(_: Config) -> MoeTraits:
    """Mellum 2, which vLLM runs through its transformers backend."""
    return MoeTraits(
        Traits(qkv_bias=("attention_bias",), out_bias=("attention_bias",), head_norms="head", rope="none"),
        count=("num_experts", "num_local_experts"),
        is_sparse=mellum_sparse,
    )


MELLUM_DEFAULTS = {"tie_word_embeddings": False, "head_dim": 128}


def mellum_sparse(config: Config, layer: int) -> bool:
    """All layers have experts where ``mlp_layer_types`` says nothing."""
    types = config.texts("mlp_layer_types")
    return not types or (layer < len(types) and types[layer] == "sparse")


# ---- Latent attention


def axk1(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """A.X-K1: DeepSeek's decoder with a third norm (AXK1.py)."""
    config = filled(config, {"topk_method": "noaux_tc"})
    traits = with_correction(config, replace(DEEPSEEK, dense=Traits(norms=3)))
    return replace(read_shape(config), tied=False), mla_decoder(config, traits)


def pangu_ultra(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """OpenPangu Ultra: norms on both sides, and a rope of its own whatever is stated (openpangu.py)."""
    shape = read_shape(config)
    traits = replace(
        DEEPSEEK,
        dense=Traits(norms=4 if config.flag("sandwich_norm") else 2, mlp_bias=("mlp_bias",)),
        router=Router(correction=config.flag("router_enable_expert_bias")),
        is_sparse=lambda config, layer: layer >= config.integer("first_k_dense_replace"),
    )
    rope = {"rope_type": "deepseek_yarn", "factor": 1.0, "original_max_position_embeddings": shape.length}
    own = replace(config, data={**config.data, "rope_scaling": None, "rope_parameters": rope})
    return shape, mla_decoder(own, traits, tied=shape.tied)


def sarvam_latent(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Sarvam with latent attention (sarvam.py, SarvamMLAForCausalLM)."""
    defaults = {"moe_router_enable_expert_bias": True, "num_shared_experts": 1, "first_k_dense_replace": 1}
    config = filled(config, {**defaults, "tie_word_embeddings": False})
    shape = read_shape(config)
    traits = MoeTraits(
        Traits(),
        count=("num_experts",),
        router=Router(correction=config.flag("moe_router_enable_expert_bias")),
        shared_width=bailing_shared,
        is_sparse=spaced_after_first_dense,
    )
    return shape, mla_decoder(config, traits, tied=shape.tied)


def spaced_after_first_dense(config: Config, layer: int) -> bool:
    """Every ``moe_layer_freq``-th layer, counted from the first that is not dense."""
    first, frequency = config.integer("first_k_dense_replace"), config.integer("moe_layer_freq", default=1)
    return layer >= first and (layer - first) % max(1, frequency) == 0


def bailing_linear(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Bailing 2.5 (Ling and Ring 2.5): lightning attention, latent attention now and then (bailing_moe_linear.py)."""
    config = filled(config, {"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128})
    shape = replace(read_shape(config), tied=False)
    traits = replace(
        BAILING,
        router=bailing_router(config, stated_only=False),
        is_sparse=lambda config, layer: layer >= config.integer("first_k_dense_replace", default=0),
    )
    group = config.integer("layer_group_size", default=1)

    def modules(kind: tuple[bool, bool]) -> tuple[Module, ...]:
        is_latent, sparse = kind
        mixer = mla_attention(whole_rope(config), shape) if is_latent else lightning(config, shape)
        block = expert_block(config, shape, traits) if sparse else bailing_mlp(config, shape)
        return (*mixer, *block, *norms(shape, traits.dense))

    def kind(layer: int) -> tuple[bool, bool]:
        return group == 0 or (layer + 1) % group == 0, traits.is_sparse(config, layer)

    final = (norm("norm", shape.hidden),)
    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, kind, modules),
        *ends("model.", shape.vocab, shape.hidden, tied=False, final=final, embedding="word_embeddings"),
    )


def bailing_mlp(config: Config, shape: Shape) -> tuple[Module, ...]:
    """The MLP of a layer without experts."""
    return gated_mlp("mlp", shape.hidden, shape.width, bias=config.flag("use_bias"))


def whole_rope(config: Config) -> Config:
    """The config whose latent heads are rotated as a whole: the part that is stated is of the other layers."""
    data = {key: value for key, value in config.data.items() if key != "partial_rotary_factor"}
    rope = data.get("rope_parameters")
    if isinstance(rope, Mapping):
        data["rope_parameters"] = {key: value for key, value in rope.items() if key != "partial_rotary_factor"}
    return replace(config, data=data)


def lightning(config: Config, shape: Shape) -> tuple[Module, ...]:
    """Lightning attention: as many heads of keys as of queries, a gate and a norm of it (bailing_linear_attn.py)."""
    width = shape.attention_width
    heads = (plain("self_attn.query_layernorm", "attention", shape.head_dim),) * 2
    return (
        qkv(
            "self_attn.query_key_value",
            shape.hidden,
            shape.heads,
            shape.heads,
            shape.head_dim,
            bias=config.flag("use_bias") or config.flag("use_qkv_bias"),
            parts=BAILING_NAMES.qkv_parts,
        ),
        *(heads if config.flag("use_qk_norm") else ()),
        column("self_attn.g_proj", "attention", width, shape.hidden),
        row("self_attn.dense", "attention", shape.hidden, width, bias=config.flag("use_bias")),
        sharded("self_attn.g_norm", "attention", width),
        rotary(config, shape.head_dim, shape.length),
    )
