"""Decoders that mix attention with Mamba-2 layers."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.model.config import Config, ConfigError
from vram_engine.model.layer_kinds import ATTENTION_WORDS, final_norm, layer_kinds, plain_attention, two_norms
from vram_engine.model.layers import (
    EVERYWHERE,
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
from vram_engine.model.mamba import Mamba2Shape, mamba2
from vram_engine.model.moe import (
    Router,
    router,
)
from vram_engine.model.rotary import rotary
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Block, Linear, Module, RoutedExperts


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
