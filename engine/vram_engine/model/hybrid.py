"""Decoders that mix attention with state-space or linear-attention layers, and pure state-space ones."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.model.config import Config, ConfigError
from vram_engine.model.dense import Traits, attention
from vram_engine.model.layers import (
    EVERYWHERE,
    TABLE_EVERYWHERE,
    Places,
    column,
    ends,
    gated_mlp,
    layers_by_kind,
    merged,
    norm,
    plain,
    qkv,
    replicated,
    row,
)
from vram_engine.model.linear_attention import delta_net, kimi_delta, olmo_delta_net
from vram_engine.model.mamba import Mamba1Shape, Mamba2Shape, mamba1, mamba2, short_convolution
from vram_engine.model.mla import mla_projections, read_latent
from vram_engine.model.moe import (
    MoeTraits,
    Router,
    after_dense_layers,
    after_first_dense,
    expert_block,
    router,
    shared_by_count,
    shared_by_width,
    sparse_step,
)
from vram_engine.model.rotary import rotary
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Attention, Block, Linear, Module, RoutedExperts

ATTENTION_WORDS = frozenset({"attention", "full_attention", "*", "hybrid"})


def layer_kinds(config: Config, layers: int) -> tuple[str, ...]:
    """What ``layer_types`` or ``layers_block_type`` say of each layer, or the list of attention layers of LFM2."""
    kinds = config.texts("layer_types", "layers_block_type")
    if not kinds and config.has("full_attn_idxs"):
        attended = frozenset(config.integers("full_attn_idxs"))
        return tuple("full_attention" if layer in attended else "conv" for layer in range(layers))
    if len(kinds) != layers:
        raise ConfigError(f"config.json: {config.path}layer_types does not name each of the {layers} layers")
    return kinds


def two_norms(shape: Shape) -> tuple[Module, ...]:
    """The two norms of a layer."""
    return norm("input_layernorm", shape.hidden), norm("post_attention_layernorm", shape.hidden)


def final_norm(shape: Shape, name: str = "norm") -> tuple[Module, ...]:
    """The norm after the last layer."""
    return (norm(name, shape.hidden),)


def plain_attention(
    shape: Shape, *, prefix: str = "self_attn", out: str = "o_proj", bias: bool = False
) -> tuple[Module, ...]:
    """Queries, keys, values and output without norms or positions."""
    return (
        qkv(f"{prefix}.qkv_proj", shape.hidden, shape.heads, shape.kv_heads, shape.head_dim, bias=bias),
        row(f"{prefix}.{out}", "attention", shape.hidden, shape.attention_width, bias=bias),
        Attention(shape.kv_heads),
    )


# ---- Mamba 2 beside attention


def falcon_h1(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Falcon-H1: attention and a Mamba-2 mixer side by side in every layer (falcon_h1.py)."""
    shape = read_shape(config)
    inner = config.integer("mamba_d_ssm", default=config.integer("mamba_expand", default=2) * shape.hidden)
    layer: tuple[Module, ...] = (
        *plain_attention(shape),
        *mamba2("mamba.mamba", read_mamba2(config, shape.hidden, inner, normed=config.flag("mamba_rms_norm"))),
        *gated_mlp("feed_forward", shape.hidden, shape.width, bias=config.flag("mlp_bias")),
        *two_norms(shape),
        rotary(config, shape.head_dim, shape.length),
    )
    return shape, (
        Block("model.layers.{}.", layer, layers=shape.every_layer),
        *ends("model.", shape.vocab, shape.hidden, tied=shape.tied, final=final_norm(shape, "final_layernorm")),
    )


def read_mamba2(config: Config, hidden: int, inner: int, *, normed: bool = True) -> Mamba2Shape:
    """The Mamba-2 sizes of a config in the spelling of Bamba, Granite and Falcon-H1."""
    return Mamba2Shape(
        hidden,
        inner,
        config.integer("mamba_n_heads", "n_mamba_heads"),
        config.integer("mamba_d_state"),
        config.integer("mamba_n_groups", "mamba_ngroups", default=1),
        config.integer("mamba_d_conv", default=4),
        config.flag("mamba_conv_bias", "use_conv_bias", default=True),
        config.flag("mamba_proj_bias", "add_bias_linear"),
        normed,
    )


def granite_hybrid(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Granite 4: Mamba-2 or attention in a layer, then experts beside a shared MLP, or the MLP alone."""
    shape = read_shape(config)
    shape = replace(shape, head_dim=shape.hidden // max(1, shape.heads))
    inner = config.integer("mamba_expand", default=2) * shape.hidden
    bias = config.flag("attention_bias")
    kinds = layer_kinds(config, shape.layers)
    table = (rotary(config, shape.head_dim, shape.length),) if config.text("position_embedding_type") == "rope" else ()

    def modules(kind: str) -> tuple[Module, ...]:
        mixer = (
            (*plain_attention(shape, bias=bias), *table)
            if kind in ATTENTION_WORDS
            else mamba2("mamba", read_mamba2(config, shape.hidden, inner))
        )
        return (*mixer, *granite_experts(config, shape), *two_norms(shape))

    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, lambda layer: kinds[layer], modules),
        *ends("model.", shape.vocab, shape.hidden, tied=shape.tied, final=final_norm(shape), places=EVERYWHERE),
    )


def granite_experts(config: Config, shape: Shape) -> tuple[Module, ...]:
    """The routed experts of a Granite layer, if any, and its shared MLP."""
    count = config.integer("num_local_experts", default=0)
    width = config.integer("shared_intermediate_size", default=0)
    routed: tuple[Module, ...] = ()
    if count:
        routed = (
            *router("block_sparse_moe.", shape.hidden, count, Router(), config),
            RoutedExperts("block_sparse_moe.experts", count, shape.width, shape.hidden, parts=("w1", "w3", "w2")),
        )
    return (*routed, *granite_mlp(shape.hidden, width)) if width else routed


def granite_mlp(hidden: int, width: int) -> tuple[Module, ...]:
    """The shared MLP of Granite, which its checkpoints store fused."""
    parts = (("input_linear", width), ("input_linear", width))
    return (
        merged("shared_mlp.input_linear", "shared_experts", parts, hidden),
        row("shared_mlp.output_linear", "shared_experts", hidden, width),
    )


def bamba(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Bamba: Mamba-2 layers, with attention where ``attn_layer_indices`` says."""
    shape = read_shape(config)
    inner = config.integer("mamba_expand", default=2) * shape.hidden
    attended = frozenset(config.integers("attn_layer_indices"))

    def modules(attends: bool) -> tuple[Module, ...]:
        mixer = (
            (*plain_attention(shape), rotary(config, shape.head_dim, shape.length))
            if attends
            else mamba2("mamba", read_mamba2(config, shape.hidden, inner))
        )
        mlp = gated_mlp("feed_forward", shape.hidden, shape.width, bias=config.flag("mlp_bias"))
        return (*mixer, *mlp, *two_norms(shape))

    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, lambda layer: layer in attended, modules),
        *ends(
            "model.",
            shape.vocab,
            shape.hidden,
            tied=shape.tied,
            final=final_norm(shape, "final_layernorm"),
            places=EVERYWHERE,
        ),
    )


NEMOTRON_WORDS = {"mamba": "M", "attention": "*", "mlp": "-", "moe": "E"}


def nemotron_h(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Nemotron-H: each layer is one mixer: Mamba-2, attention, an MLP or latent experts (nemotron_h.py)."""
    if config.has("block_configs"):
        raise ConfigError("Nemotron-H with a config of its own for each layer is not derived")
    pattern = nemotron_pattern(config)
    base = read_nemotron_shape(config, len(pattern))

    def modules(kind: tuple[str, int]) -> tuple[Module, ...]:
        return (*nemotron_mixer(config, base, *kind), norm("norm", base.hidden))

    def kind(layer: int) -> tuple[str, int]:
        return pattern[layer], nemotron_width(config, pattern, layer)

    return base, (
        *layers_by_kind("model.layers.{}.", len(pattern), kind, modules),
        *ends("model.", base.vocab, base.hidden, tied=False, final=final_norm(base, "norm_f"), places=EVERYWHERE),
    )


def nemotron_pattern(config: Config) -> str:
    """The mixers of all layers, one letter each."""
    pattern = config.text("hybrid_override_pattern")
    if pattern and set(pattern) <= set("M*-E") and len(pattern) <= 4096:
        return pattern
    letters = [NEMOTRON_WORDS.get(word, "") for word in config.texts("layers_block_type")]
    if not letters or "" in letters:
        raise ConfigError("config.json gives no hybrid_override_pattern that is understood")
    return "".join(letters)


def read_nemotron_shape(config: Config, layers: int) -> Shape:
    """Nemotron-H's shape; its MLP width may be a list, read where it is used."""
    widths = config.integers("intermediate_size")
    own = Config(dict(config.data) | {"intermediate_size": max(widths, default=0), "num_hidden_layers": layers})
    return read_shape(own)


def nemotron_width(config: Config, pattern: str, layer: int) -> int:
    """The width of the MLP in this layer, 0 in a layer without one."""
    if pattern[layer] != "-":
        return 0
    widths = config.integers("intermediate_size")
    index = pattern[: layer + 1].count("-") - 1
    if not widths or (len(widths) > 1 and index >= len(widths)):
        raise ConfigError("config.json gives no intermediate_size for each MLP layer")
    return widths[0] if len(widths) == 1 else widths[index]


def nemotron_mixer(config: Config, shape: Shape, letter: str, width: int) -> tuple[Module, ...]:
    """One mixer of Nemotron-H."""
    if letter == "*":
        return plain_attention(shape, prefix="mixer")
    if letter == "M":
        heads = config.integer("mamba_num_heads")
        inner = heads * config.integer("mamba_head_dim")
        return mamba2(
            "mixer",
            Mamba2Shape(
                shape.hidden,
                inner,
                heads,
                config.integer("ssm_state_size"),
                config.integer("n_groups"),
                config.integer("conv_kernel"),
                config.flag("use_conv_bias", default=True),
                config.flag("use_bias"),
            ),
        )
    bias = config.flag("mlp_bias")
    if letter == "-":
        return nemotron_mlp("mixer", shape.hidden, width, bias=bias)
    return nemotron_experts(config, shape, bias=bias)


def nemotron_mlp(prefix: str, hidden: int, width: int, *, bias: bool) -> tuple[Module, ...]:
    """An MLP without a gate."""
    return (
        column(f"{prefix}.up_proj", "dense_mlp", width, hidden, bias=bias),
        row(f"{prefix}.down_proj", "dense_mlp", hidden, width, bias=bias),
    )


def nemotron_experts(config: Config, shape: Shape, *, bias: bool) -> tuple[Module, ...]:
    """Experts without a gate, that may work in a smaller latent space, and a shared expert in the full one."""
    count = config.integer("n_routed_experts")
    latent = config.optional_integer("moe_latent_size")
    inner = shape.hidden if latent is None else latent
    width = config.integer("moe_shared_expert_intermediate_size", default=0) * config.integer(
        "n_shared_experts", default=0
    )
    shared = nemotron_mlp("mixer.shared_experts", shape.hidden, width, bias=False) if width else ()
    projections: tuple[Module, ...] = ()
    if latent is not None:
        projections = (
            replicated("mixer.fc1_latent_proj", "other", latent, shape.hidden, bias=bias),
            replicated("mixer.fc2_latent_proj", "other", shape.hidden, latent, bias=bias),
        )
    return (
        *router("mixer.", shape.hidden, count, Router(correction=True), config),
        RoutedExperts(
            "mixer.experts",
            count,
            config.integer("moe_intermediate_size"),
            inner,
            gated=False,
            parts=("up_proj", "up_proj", "down_proj"),
        ),
        *(replace(module, kind="shared_experts") for module in shared if isinstance(module, Linear)),
        *projections,
    )


def zamba2(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Zamba2: Mamba-2 layers, a few shared attention blocks, and low-rank adapters for each use of them."""
    shape = replace(read_shape(config), tied=True)
    hybrids = zamba2_hybrids(config, shape.layers)
    blocks = config.integer("num_mem_blocks", default=1)
    inner = config.integer("mamba_expand", default=2) * shape.hidden
    mixer = mamba2("mamba", read_mamba2(config, shape.hidden, inner))
    layer = (*mixer, norm("input_layernorm", shape.hidden))
    hybrid = replicated("linear", "other", shape.hidden, shape.hidden)
    return shape, (
        Block("model.layers.{}.", layer, layers=shape.every_layer),
        Block("model.layers.{}.", (hybrid,), layers=hybrids),
        Block("model.", zamba2_shared(config, shape, blocks, len(hybrids)), "every"),
        *ends(
            "model.",
            shape.vocab,
            shape.hidden,
            tied=True,
            final=final_norm(shape, "final_layernorm"),
            places=EVERYWHERE,
        ),
    )


def zamba2_hybrids(config: Config, layers: int) -> tuple[int, ...]:
    """The layers that also call a shared block."""
    kinds = config.texts("layers_block_type")
    if len(kinds) == layers:
        return tuple(layer for layer, kind in enumerate(kinds) if kind == "hybrid")
    return tuple(layer for layer in config.integers("hybrid_layer_ids") if layer < layers)


def zamba2_shared(config: Config, shape: Shape, blocks: int, hybrids: int) -> tuple[Module, ...]:
    """The shared blocks and the adapters of all their uses."""
    wide = config.integer("attention_hidden_size", default=2 * shape.hidden)
    head = config.integer("attention_head_dim", default=wide // max(1, shape.heads))
    rank = config.integer("adapter_rank", default=128)
    bias = config.flag("add_bias_linear")
    attention_block = (
        replace(qkv("self_attn.qkv_proj", wide, shape.heads, shape.heads, head), replicas=blocks),
        replace(row("self_attn.o_proj", "attention", shape.hidden, wide), replicas=blocks),
    )
    mlp_block = tuple(
        replace(module, replicas=blocks)
        for module in gated_mlp("feed_forward", shape.hidden, shape.width, bias=bias)
        if isinstance(module, Linear)
    )
    mlp_adapters = _adapters("feed_forward.gate_up_proj_adapter", shape.hidden, rank, 2 * shape.width, hybrids)
    norms = plain("norms", "other", 3 * shape.hidden, replicas=blocks)
    shared: tuple[Module, ...] = (*attention_block, *mlp_block, *mlp_adapters, norms)
    if config.flag("use_shared_attention_adapter"):
        shared += _adapters("self_attn.linear_adapter", wide, rank, wide, 3 * hybrids)
    if config.flag("use_mem_rope"):
        shared += (rotary(config, head, shape.length),)
    return shared


def _adapters(name: str, cols: int, rank: int, rows: int, count: int) -> tuple[Module, ...]:
    if count == 0:
        return ()
    return (
        replace(column(f"{name}.A", "other", rank, cols), replicas=count),
        replace(column(f"{name}.B", "other", rows, rank), replicas=count),
    )


# ---- Mamba 1


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
        block = expert_block(config, shape, QWEN_NEXT_MOE) if sparse else gated_mlp("mlp", shape.hidden, shape.width)
        return (*mixer, *block, *two_norms(shape))

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
    """Kimi-Linear: delta attention with latent attention now and then, and experts (kimi_k3/nvidia/model.py)."""
    if config.has("attn_res_block_size"):
        raise ConfigError("Kimi models with attention residuals are not derived")
    shape = replace(read_shape(config), tied=False)
    linear = frozenset(config.section("linear_attn_config").integers("kda_layers"))

    def modules(kind: tuple[bool, bool]) -> tuple[Module, ...]:
        is_linear, sparse = kind
        mixer = kimi_delta(config, shape.hidden) if is_linear else mla_projections(read_latent(config), shape)
        block = kimi_experts(config, shape) if sparse else gated_mlp("mlp", shape.hidden, shape.width)
        return (*mixer, *block, *two_norms(shape))

    def kind(layer: int) -> tuple[bool, bool]:
        return layer + 1 in linear, after_first_dense(config, layer)

    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, kind, modules),
        *ends("model.", shape.vocab, shape.hidden, tied=False, final=final_norm(shape)),
    )


def kimi_experts(config: Config, shape: Shape) -> tuple[Module, ...]:
    """Kimi's experts, whose slices are never narrower than its kernels like."""
    least = config.integer("min_moe_intermediate_per_partition", default=256)
    return tuple(
        replace(module, least_width=least) if isinstance(module, RoutedExperts) else module
        for module in expert_block(config, shape, KIMI_MOE)
    )
