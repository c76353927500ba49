"""Mixture-of-experts decoders: a dense decoder's attention, and routed experts in place of the MLP of some layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from vram_engine.model.config import Config
from vram_engine.model.dense import (
    LLAMA_NAMES,
    Bias,
    Names,
    Traits,
    around,
    attention,
    dense_shape,
    has_bias,
)
from vram_engine.model.layers import EVERYWHERE, gated_mlp, layers_by_kind, norm, plain, replicated
from vram_engine.model.shapes import Shape
from vram_engine.model.spec import Block, Experts, Module, RoutedExperts

# Qwen2-MoE builds the gate of a shared expert even where there is no shared expert.
SharedGate = Literal["none", "with the shared expert", "always"]
SparseRule = Callable[[Config, int], bool]
WidthRule = Callable[[Config], int]


def no_shared_experts(_: Config) -> int:
    """The width of shared experts where an architecture has none."""
    return 0


def every_layer(_: Config, __: int) -> bool:
    """All layers have experts."""
    return True


@dataclass(frozen=True, slots=True)
class Router:
    """The module that chooses experts: its name, dtype, bias, and the correction bias beside it (always float32)."""

    name: str = "gate"
    dtype: str | None = None
    bias: bool = False
    correction: Bias = False
    correction_dtype: str | None = "float32"
    quantized: bool = False


@dataclass(frozen=True, slots=True)
class MoeTraits:
    """How one mixture-of-experts architecture is made. ``block`` is the module that holds router and experts.

    ``count`` and ``width`` are config keys; ``shared_width`` gives the width of all shared experts together.
    ``is_sparse`` says which layers have experts, the others have a dense MLP of width ``dense_width``.
    """

    dense: Traits
    count: tuple[str, ...] = ("num_experts", "num_local_experts", "n_routed_experts")
    width: tuple[str, ...] = ("moe_intermediate_size",)
    dense_width: tuple[str, ...] = ("intermediate_size",)
    block: str = "mlp"
    parts: tuple[str, str, str] = ("gate_proj", "up_proj", "down_proj")
    router: Router = field(default_factory=Router)
    shared: str = "mlp.shared_experts"
    shared_width: WidthRule = no_shared_experts
    shared_gate: SharedGate = "none"
    biased_experts: bool = False
    is_sparse: SparseRule = every_layer


def sparse_step(config: Config, layer: int) -> bool:
    """Qwen: every ``decoder_sparse_step``-th layer that ``mlp_only_layers`` does not name."""
    step = config.integer("decoder_sparse_step", default=1)
    return step > 0 and (layer + 1) % step == 0 and layer not in config.integers("mlp_only_layers")


def after_first_dense(config: Config, layer: int) -> bool:
    """GLM, Bailing and DeepSeek: all layers from ``first_k_dense_replace`` on, each ``moe_layer_freq``-th."""
    frequency = config.integer("moe_layer_freq", default=1)
    return layer >= config.integer("first_k_dense_replace", default=0) and layer % max(1, frequency) == 0


def after_dense_layers(config: Config, layer: int) -> bool:
    """AFMoE and LFM2: all layers from ``num_dense_layers`` on."""
    return layer >= config.integer("num_dense_layers", default=0)


def by_mlp_types(config: Config, layer: int) -> bool:
    """EXAONE and Cohere: what ``mlp_layer_types`` says of the layer."""
    types = config.texts("mlp_layer_types")
    return layer < len(types) and types[layer] == "sparse"


def ernie_interval(config: Config, layer: int) -> bool:
    """ERNIE 4.5: every ``moe_layer_interval``-th layer between a first and a last one."""
    last = config.layers("num_hidden_layers") - 1
    end = config.number("moe_layer_end_index", default=-1.0)
    return (
        (layer + 1) % max(1, config.integer("moe_layer_interval", default=1)) == 0
        and layer >= config.integer("moe_layer_start_index", default=0)
        and layer <= (last if end < 0 else end)
    )


def interleaved(config: Config, layer: int) -> bool:
    """Llama 4: every ``interleave_moe_layer_step``-th layer."""
    step = config.integer("interleave_moe_layer_step", default=1)
    return step > 0 and (layer + 1) % step == 0


def shared_by_count(*counts: str, width: str = "moe_intermediate_size") -> WidthRule:
    """Shared experts as wide as so many routed ones."""
    return lambda config: config.integer(*counts, default=0) * config.integer(width, default=0)


def shared_by_width(*keys: str) -> WidthRule:
    """Shared experts of a width of their own."""
    return lambda config: config.integer(*keys, default=0)


def bailing_shared(config: Config) -> int:
    """Bailing: a count times a width of their own, or of the routed experts."""
    width = config.integer("moe_shared_expert_intermediate_size", "moe_intermediate_size", default=0)
    return config.integer("num_shared_experts", default=0) * width


QWEN_MOE = MoeTraits(
    Traits(qkv_bias=True, derived_head_dim=True, places=EVERYWHERE),
    shared="mlp.shared_expert",
    shared_width=shared_by_width("shared_expert_intermediate_size"),
    shared_gate="always",
    is_sparse=sparse_step,
)
MIXTRAL_NAMES = ("w1", "w3", "w2")
GLM_ROUTER = Router(dtype="float32", correction=True)
BAILING_NAMES = Names(
    embedding="word_embeddings",
    attention="attention",
    qkv="query_key_value",
    out="dense",
    qkv_parts=("query_key_value",) * 3,
)

QWEN3_MOE = replace(
    QWEN_MOE,
    dense=Traits(qkv_bias=("attention_bias",), head_norms="head", places=EVERYWHERE),
    router=Router(quantized=True),
    shared_gate="with the shared expert",
)

# vllm/model_executor/models, one line per model class.
MOE_TRAITS: Mapping[str, MoeTraits] = {
    "mixtral": MoeTraits(
        Traits(places=EVERYWHERE),
        width=("intermediate_size",),
        block="block_sparse_moe",
        parts=MIXTRAL_NAMES,
    ),
    "qwen2_moe": QWEN_MOE,
    "qwen3_moe": QWEN3_MOE,
    "qwen3_vl_moe": replace(QWEN3_MOE, dense=replace(QWEN3_MOE.dense, mrope_factor=1)),
    "olmoe": MoeTraits(
        Traits(head_norms="projection", derived_head_dim=True, places=EVERYWHERE), width=("intermediate_size",)
    ),
    "minimax_m2": MoeTraits(
        Traits(qkv_bias=("attention_bias",), head_norms="heads"),
        width=("intermediate_size",),
        parts=MIXTRAL_NAMES,
        router=Router(dtype="float32", correction=("use_routing_bias",)),
    ),
    "glm4_moe": MoeTraits(
        Traits(qkv_bias=("attention_bias",), head_norms="optional head"),
        router=GLM_ROUTER,
        shared_width=shared_by_count("n_shared_experts"),
        is_sparse=after_first_dense,
    ),
    "phimoe": MoeTraits(
        Traits(qkv_bias=True, out_bias=True, norm_bias=True, places=EVERYWHERE, head_bias=True),
        width=("intermediate_size",),
        block="block_sparse_moe",
        parts=MIXTRAL_NAMES,
    ),
    "granitemoe": MoeTraits(
        Traits(derived_head_dim=True, places=EVERYWHERE),
        width=("intermediate_size",),
        block="block_sparse_moe",
        parts=MIXTRAL_NAMES,
    ),
    "granitemoeshared": MoeTraits(
        Traits(derived_head_dim=True, places=EVERYWHERE),
        width=("intermediate_size",),
        block="block_sparse_moe",
        parts=MIXTRAL_NAMES,
        shared="shared_mlp",
        shared_width=shared_by_width("shared_intermediate_size"),
    ),
    "ernie45_moe": MoeTraits(
        Traits(qkv_bias=("use_bias",), mlp_bias=("use_bias",)),
        count=("moe_num_experts",),
        router=GLM_ROUTER,
        shared_width=shared_by_count("moe_num_shared_experts"),
        is_sparse=ernie_interval,
    ),
    "afmoe": MoeTraits(
        Traits(head_norms="head", norms=4, gate="gate_proj", rope="sliding"),
        router=GLM_ROUTER,
        shared_width=shared_by_count("num_shared_experts"),
        is_sparse=after_dense_layers,
    ),
    "exaone_moe": MoeTraits(
        Traits(
            qkv_bias=("attention_bias", "bias"),
            out_bias=("attention_bias", "bias"),
            mlp_bias=("mlp_bias",),
            head_norms="head",
        ),
        router=Router(correction=True),
        shared_width=shared_by_count("num_shared_experts"),
        is_sparse=by_mlp_types,
    ),
    "cohere2_moe": MoeTraits(
        Traits(places=EVERYWHERE, head=False, norms=1),
        width=("intermediate_size",),
        dense_width=("prefix_dense_intermediate_size", "intermediate_size"),
        shared_width=shared_by_count("num_shared_experts", width="intermediate_size"),
        is_sparse=by_mlp_types,
    ),
    "hunyuan_moe": MoeTraits(
        Traits(qkv_bias=("attention_bias",), out_bias=("attention_bias",), head_norms="head", rope="none"),
        width=("intermediate_size",),
        router=Router("gate.wg"),
        shared="mlp.shared_mlp",
        shared_width=shared_by_width("intermediate_size"),
    ),
    "hy_v3": MoeTraits(
        Traits(head_norms="optional head", places=EVERYWHERE),
        width=("expert_hidden_dim", "moe_intermediate_size"),
        router=Router(dtype="float32", correction=True),
        shared="mlp.shared_mlp",
        shared_width=shared_by_count("num_shared_experts", width="expert_hidden_dim"),
        is_sparse=after_first_dense,
    ),
    "flex_olmo": MoeTraits(
        Traits(qkv_bias=("attention_bias",), out_bias=("attention_bias",), head_norms="projection", rope="none"),
        width=("intermediate_size",),
    ),
    "aria": MoeTraits(
        Traits(qkv_bias=("attention_bias",), out_bias=("attention_bias",)),
        count=("moe_num_experts",),
        width=("intermediate_size",),
        router=Router("router_weight"),
        shared_width=shared_by_count("moe_num_shared_experts", width="intermediate_size"),
    ),
    "gpt_oss": MoeTraits(
        Traits(
            qkv_bias=True,
            out_bias=True,
            sinks=True,
            places=EVERYWHERE,
            rope_dtype="float32",
            names=replace(LLAMA_NAMES, embedding="embedding", attention="attn"),
        ),
        width=("intermediate_size",),
        router=Router("router", bias=True),
        biased_experts=True,
    ),
}


def moe_decoder(config: Config, traits: MoeTraits, *, pooling: bool = False) -> tuple[Block, ...]:
    """The blocks of a mixture-of-experts decoder with these traits."""
    shape = dense_shape(config, traits.dense)
    names = traits.dense.names
    shared = attention(config, shape, traits.dense) + norms(shape, traits.dense)

    def modules(sparse: bool) -> tuple[Module, ...]:
        return shared + (expert_block(config, shape, traits) if sparse else dense_block(config, shape, traits))

    layers = layers_by_kind(
        f"{names.model}{names.layers}.{{}}.", shape.layers, lambda layer: traits.is_sparse(config, layer), modules
    )
    return (*layers, *around(shape, traits.dense, pooling=pooling))


def norms(shape: Shape, traits: Traits) -> tuple[Module, ...]:
    """The norms of one layer over the hidden size."""
    return tuple(norm(f"norm_{number}", shape.hidden, bias=traits.norm_bias) for number in range(traits.norms))


def dense_block(config: Config, shape: Shape, traits: MoeTraits) -> tuple[Module, ...]:
    """The MLP of a layer without experts."""
    width = config.integer(*traits.dense_width)
    return gated_mlp(traits.block, shape.hidden, width, bias=has_bias(config, traits.dense.mlp_bias))


def expert_block(config: Config, shape: Shape, traits: MoeTraits) -> tuple[Module, ...]:
    """Router, routed experts and shared experts of one layer."""
    count = config.integer(*traits.count)
    modules: list[Module] = [
        *router(f"{traits.block}.", shape.hidden, count, traits.router, config),
        RoutedExperts(
            f"{traits.block}.experts",
            count,
            config.integer(*traits.width),
            shape.hidden,
            bias=traits.biased_experts,
            parts=traits.parts,
        ),
    ]
    width = traits.shared_width(config)
    if width:
        bias = has_bias(config, traits.dense.mlp_bias)
        modules.extend(gated_mlp(traits.shared, shape.hidden, width, bias=bias, kind="shared_experts"))
    if traits.shared_gate == "always" or (traits.shared_gate == "with the shared expert" and width):
        modules.append(replicated(f"{traits.shared}_gate", "router", 1, shape.hidden, quantized=False))
    return tuple(modules)


def router(prefix: str, hidden: int, count: int, traits: Router, config: Config) -> tuple[Module, ...]:
    """The router's matrix, its bias and the correction bias of its scores."""
    gate = replicated(
        f"{prefix}{traits.name}",
        "router",
        count,
        hidden,
        bias=traits.bias,
        quantized=traits.quantized,
        dtype=traits.dtype,
    )
    if not has_bias(config, traits.correction):
        return (gate,)
    return (gate, plain(f"{prefix}e_score_correction_bias", "router", count, dtype=traits.correction_dtype))


def experts_shape(config: Config, shape: Shape, traits: MoeTraits) -> Experts:
    """The summary of a model's experts."""
    layers = sum(traits.is_sparse(config, layer) for layer in range(shape.layers))
    return Experts(
        config.integer(*traits.count),
        config.integer("num_experts_per_tok", "num_experts_per_token", "moe_k", "moe_topk", "top_k", default=0),
        config.integer(*traits.width),
        traits.shared_width(config),
        layers,
    )
