"""Decoders that mix attention with linear attention or short convolutions: Qwen3-Next, Kimi-Linear, OLMo, LFM2."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.model.config import Config, ConfigError
from vram_engine.model.dense import Traits, attention
from vram_engine.model.layer_kinds import ATTENTION_WORDS, final_norm, layer_kinds, plain_attention, two_norms
from vram_engine.model.layers import (
    EVERYWHERE,
    TABLE_EVERYWHERE,
    Places,
    ends,
    gated_mlp,
    layers_by_kind,
    merged,
    plain,
    qkv,
    replicated,
    row,
)
from vram_engine.model.linear_attention import delta_net, kimi_delta, olmo_delta_net
from vram_engine.model.mamba import short_convolution
from vram_engine.model.mla import mla_projections, read_latent
from vram_engine.model.moe import (
    MoeTraits,
    Router,
    after_dense_layers,
    after_first_dense,
    expert_block,
    shared_by_count,
    shared_by_width,
    sparse_step,
)
from vram_engine.model.rotary import rotary
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Attention, Block, Linear, Module, Part, RoutedExperts

# ---- Short convolutions


LFM2_MOE = MoeTraits(
    Traits(),
    block="feed_forward",
    router=Router(correction=("use_expert_bias",), quantized=True),
    parts=("w1", "w3", "w2"),
)


def lfm2(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """LFM2 and its mixture of experts: short convolutions with attention now and then (lfm2.py, lfm2_moe.py)."""
    shape = read_shape(config)
    shape = replace(shape, head_dim=shape.hidden // max(1, shape.heads), tied=True)
    kinds = layer_kinds(config, shape.layers)
    kernel = config.integer("conv_L_cache", default=3)
    convolution = short_convolution("short_conv", shape.hidden, kernel, bias=config.flag("conv_bias"))
    moe = config.has("num_experts")
    mlp = lfm2_mlp(shape.hidden, shape.width if moe else lfm2_width(config, shape.width))
    attended: tuple[Module, ...] = (
        *plain_attention(shape, out="out_proj"),
        plain("self_attn.q_layernorm", "attention", shape.head_dim),
        plain("self_attn.k_layernorm", "attention", shape.head_dim),
        rotary(config, shape.head_dim, shape.length),
    )

    def modules(kind: tuple[bool, bool]) -> tuple[Module, ...]:
        attends, sparse = kind
        block = expert_block(config, shape, LFM2_MOE) if sparse else mlp
        return (*(attended if attends else convolution), *block, *two_norms(shape))

    def kind(layer: int) -> tuple[bool, bool]:
        return kinds[layer] in ATTENTION_WORDS, moe and after_dense_layers(config, layer)

    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, kind, modules),
        *ends(
            "model.",
            shape.vocab,
            shape.hidden,
            tied=True,
            final=final_norm(shape, "embedding_norm"),
            places=TABLE_EVERYWHERE,
        ),
    )


def lfm2_width(config: Config, width: int) -> int:
    """LFM2's MLP width after its adjustment: two thirds of what is stated, rounded up to a multiple."""
    width = config.integer("block_ff_dim", default=width)
    if not config.flag("block_auto_adjust_ff_dim", default=True):
        return width
    width = int(2 * width / 3)
    width = int(config.number("block_ffn_dim_multiplier", default=1.0) * width)
    multiple = max(1, config.integer("block_multiple_of", default=256))
    return -(-width // multiple) * multiple


def lfm2_mlp(hidden: int, width: int) -> tuple[Module, ...]:
    """LFM2's gated MLP."""
    return (
        merged("feed_forward.w13", "dense_mlp", (("w1", width), ("w3", width)), hidden),
        row("feed_forward.w2", "dense_mlp", hidden, width),
    )


# ---- Linear attention


QWEN_NEXT_MOE = MoeTraits(
    Traits(),
    count=("num_experts",),
    shared="mlp.shared_expert",
    shared_width=shared_by_width("shared_expert_intermediate_size"),
    shared_gate="always",
    is_sparse=sparse_step,
)
QWEN_NEXT_PLACES = Places("every", "last", "every")


def qwen_next(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Qwen3-Next: gated delta nets with gated attention now and then, and experts (qwen3_next.py)."""
    return qwen_hybrid(config, prefix="", interleaved=True, places=QWEN_NEXT_PLACES, force_untied=True)


def qwen35(config: Config, *, prefix: str = "") -> tuple[Shape, tuple[Block, ...]]:
    """Qwen3.5: the same layers, dense or with experts (qwen3_5.py)."""
    return qwen_hybrid(config, prefix=prefix, interleaved=False, places=TABLE_EVERYWHERE, force_untied=False)


def qwen_hybrid(
    config: Config, *, prefix: str, interleaved: bool, places: Places, force_untied: bool
) -> tuple[Shape, tuple[Block, ...]]:
    """The layers that Qwen3-Next and Qwen3.5 share."""
    shape = read_shape(config)
    kinds = qwen_kinds(config, shape.layers)
    moe = config.integer("num_experts", default=0) > 0

    def modules(kind: tuple[bool, bool]) -> tuple[Module, ...]:
        attends, sparse = kind
        mixer = gated_attention(config, shape) if attends else delta_net(config, shape.hidden, interleaved=interleaved)
        return (*mixer, *qwen_mlp(config, shape, sparse=sparse), *two_norms(shape))

    def kind(layer: int) -> tuple[bool, bool]:
        return kinds[layer] in ATTENTION_WORDS, moe and sparse_step(config, layer)

    tied = shape.tied and not force_untied
    return shape, (
        *layers_by_kind(f"{prefix}model.layers.{{}}.", shape.layers, kind, modules),
        *ends(
            f"{prefix}model.",
            shape.vocab,
            shape.hidden,
            tied=tied,
            final=final_norm(shape),
            head_prefix=prefix,
            places=places,
        ),
    )


def qwen_mlp(config: Config, shape: Shape, *, sparse: bool) -> tuple[Module, ...]:
    """The experts of a layer that has some, else its MLP."""
    return expert_block(config, shape, QWEN_NEXT_MOE) if sparse else gated_mlp("mlp", shape.hidden, shape.width)


def qwen_kinds(config: Config, layers: int) -> tuple[str, ...]:
    """The kinds of layers: stated, or full attention every ``full_attention_interval`` layers."""
    if config.has("layer_types"):
        return layer_kinds(config, layers)
    interval = max(1, config.integer("full_attention_interval", default=4))
    return tuple("linear_attention" if (layer + 1) % interval else "full_attention" for layer in range(layers))


def gated_attention(config: Config, shape: Shape) -> tuple[Module, ...]:
    """Attention whose queries come with a gate of the same size (qwen3_next.py, Qwen3NextAttention)."""
    gated = 1 + config.flag("attn_output_gate", default=True)
    return (
        qkv(
            "self_attn.qkv_proj",
            shape.hidden,
            shape.heads * gated,
            shape.kv_heads,
            shape.head_dim,
            bias=config.flag("qkv_bias"),
        ),
        row("self_attn.o_proj", "attention", shape.hidden, shape.attention_width),
        plain("self_attn.q_norm", "attention", shape.head_dim),
        plain("self_attn.k_norm", "attention", shape.head_dim),
        Attention(shape.kv_heads),
        rotary(config, shape.head_dim, shape.length, mrope_factor=1),
    )


def olmo_hybrid(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """OLMo hybrid: gated delta nets with attention now and then (olmo_hybrid.py)."""
    shape = read_shape(config)
    kinds = layer_kinds(config, shape.layers)
    traits = Traits(head_norms="projection", derived_head_dim=True)

    def modules(kind: str) -> tuple[Module, ...]:
        mixer = olmo_delta_net(config, shape.hidden) if kind == "linear_attention" else attention(config, shape, traits)
        return (*mixer, *gated_mlp("mlp", shape.hidden, shape.width), *two_norms(shape))

    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, lambda layer: kinds[layer], modules),
        *ends("model.", shape.vocab, shape.hidden, tied=shape.tied, final=final_norm(shape), places=EVERYWHERE),
    )


KIMI_MOE = MoeTraits(
    Traits(),
    count=("num_experts",),
    block="block_sparse_moe",
    router=Router(correction=True),
    shared="block_sparse_moe.shared_experts",
    shared_width=shared_by_count("num_shared_experts"),
    is_sparse=after_first_dense,
    parts=("w1", "w3", "w2"),
)


def kimi_linear(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Kimi-Linear and K3: delta attention, latent attention now and then, experts (kimi_k3/nvidia/model.py)."""
    shape = replace(read_shape(config), tied=False)
    linear = frozenset(config.section("linear_attn_config").integers("kda_layers"))

    def modules(kind: tuple[bool, bool]) -> tuple[Module, ...]:
        is_linear, sparse = kind
        mixer = kimi_delta(config, shape.hidden) if is_linear else kimi_latent(config, shape)
        block = kimi_experts(config, shape) if sparse else gated_mlp("mlp", shape.hidden, shape.width)
        return (*mixer, *block, *two_norms(shape), *kimi_residuals(config, shape, ("self_attention_res", "mlp_res")))

    def kind(layer: int) -> tuple[bool, bool]:
        return layer + 1 in linear, after_first_dense(config, layer)

    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, kind, modules),
        *ends(
            "model.",
            shape.vocab,
            shape.hidden,
            tied=False,
            final=(*final_norm(shape), *kimi_residuals(config, shape, ("output_attn_res",))),
        ),
    )


def kimi_latent(config: Config, shape: Shape) -> tuple[Module, ...]:
    """Latent attention, whose output K3 gates: the gate's rows are divided beside compressions that are not."""
    latent = read_latent(config)
    plain_modules = mla_projections(latent, shape)
    if not config.flag("mla_use_output_gate"):
        return plain_modules
    if latent.q_rank is None:
        raise ConfigError("gated latent attention without a rank of queries is not derived")
    parts = (
        Part("q_a_proj", latent.q_rank, whole=True),
        Part("kv_a_proj_with_mqa", latent.kv_rank + latent.rope, whole=True),
        Part("g_proj", shape.heads, latent.value),
    )
    return (Linear("self_attn.fused_qkv_a_g_proj", "attention", parts, shape.hidden), *plain_modules[1:])


def kimi_residuals(config: Config, shape: Shape, names: tuple[str, ...]) -> tuple[Module, ...]:
    """K3's attention over the outputs of earlier blocks of layers: a norm and one row for each use."""
    if not config.has("attn_res_block_size"):
        return ()
    return tuple(plain(name, "other", 2 * shape.hidden) for name in names)


def kimi_experts(config: Config, shape: Shape) -> tuple[Module, ...]:
    """Kimi's experts, whose slices are never narrower than its kernels like; K3's work on a compressed input."""
    least = config.integer("min_moe_intermediate_per_partition", default=256)
    latent = config.optional_integer("routed_expert_hidden_size")
    width = shape.hidden if latent is None else latent
    experts = tuple(
        replace(module, least_width=least, hidden=width) if isinstance(module, RoutedExperts) else module
        for module in expert_block(config, shape, KIMI_MOE)
    )
    if latent is None:
        return experts
    normed = (plain("block_sparse_moe.routed_expert_norm", "experts", latent),)
    return (
        *experts,
        replicated("block_sparse_moe.routed_expert_down_proj", "experts", latent, shape.hidden),
        replicated("block_sparse_moe.routed_expert_up_proj", "experts", shape.hidden, latent),
        *(normed if config.flag("latent_moe_use_norm", default=False) else ()),
    )
