"""Multi-head latent attention: DeepSeek V2 to V3.2, Kimi-K2, GLM-4.7-Flash and GLM-5, with or without an indexer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vram_engine.model.config import Config
from vram_engine.model.dense import Traits, attention
from vram_engine.model.layers import ends, layers_by_kind, norm, plain, replicated, row
from vram_engine.model.moe import (
    MoeTraits,
    Router,
    after_first_dense,
    dense_block,
    expert_block,
    norms,
    shared_by_count,
)
from vram_engine.model.rotary import rope_parameters, rotary
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Attention, Block, Linear, Module, Part

DEEPSEEK = MoeTraits(
    Traits(),
    count=("n_routed_experts",),
    router=Router(),
    shared_width=shared_by_count("n_shared_experts"),
    is_sparse=after_first_dense,
)
GLM_LITE = replace(DEEPSEEK, router=Router(dtype="float32", correction=True))

MLA_TRAITS: Mapping[str, MoeTraits] = {"deepseek": DEEPSEEK, "glm4_moe_lite": GLM_LITE}


@dataclass(frozen=True, slots=True)
class Latent:
    """The sizes of latent attention: ranks of the compressed queries and keys, and the three parts of a head."""

    q_rank: int | None
    kv_rank: int
    nope: int
    rope: int
    value: int


def read_latent(config: Config) -> Latent:
    """The latent sizes of a config."""
    return Latent(
        config.optional_integer("q_lora_rank"),
        config.integer("kv_lora_rank"),
        config.integer("qk_nope_head_dim"),
        config.integer("qk_rope_head_dim"),
        config.integer("v_head_dim"),
    )


def is_latent(config: Config) -> bool:
    """Whether attention is latent: the first DeepSeek's is not."""
    return config.model_type != "deepseek" and bool(
        config.integer("qk_nope_head_dim", default=0) or config.integer("qk_rope_head_dim", default=0)
    )


def mla_decoder(config: Config, traits: MoeTraits, *, indexed: bool = False, tied: bool = False) -> tuple[Block, ...]:
    """The blocks of a decoder with latent attention and experts; ``indexed`` layers choose what they attend to."""
    shape = read_shape(config)

    def kind(layer: int) -> tuple[bool, bool]:
        return traits.is_sparse(config, layer), indexed and has_indexer(config, layer)

    def modules(kind: tuple[bool, bool]) -> tuple[Module, ...]:
        sparse, with_indexer = kind
        return mla_layer(config, shape, traits, sparse=sparse, indexed=with_indexer)

    layers = layers_by_kind("model.layers.{}.", shape.layers, kind, modules)
    final = (norm("norm", shape.hidden),)
    around = ends("model.", shape.vocab, shape.hidden, tied=tied, final=final)
    return (*layers, *around)


def mla_layer(config: Config, shape: Shape, traits: MoeTraits, *, sparse: bool, indexed: bool) -> tuple[Module, ...]:
    """The modules of one decoder layer: ``sparse`` with experts, ``indexed`` with an indexer of its own."""
    block = expert_block(config, shape, traits) if sparse else dense_block(config, shape, traits)
    return (
        *(mla_attention(config, shape) if is_latent(config) else mha_attention(config, shape)),
        *(indexer(config, shape) if indexed else ()),
        *norms(shape, traits.dense),
        *block,
    )


def with_correction(config: Config, traits: MoeTraits) -> MoeTraits:
    """DeepSeek's router has correction biases only with the ``noaux_tc`` method."""
    wanted = traits.router.correction is True or config.text("topk_method") == "noaux_tc"
    return replace(traits, router=replace(traits.router, correction=wanted))


def mha_attention(config: Config, shape: Shape) -> tuple[Module, ...]:
    """The plain attention of the first DeepSeek models."""
    return attention(config, shape, Traits(derived_head_dim=True))


def mla_attention(config: Config, shape: Shape) -> tuple[Module, ...]:
    """Latent attention: compression on every rank, heads divided (deepseek_v2.py, DeepseekV2MLAAttention)."""
    latent = read_latent(config)
    return (
        *mla_projections(latent, shape),
        replace(rotary(deepseek_rope(config), latent.rope, shape.length), identity="latent"),
    )


def deepseek_rope(config: Config) -> Config:
    """The config, whose scaled rope is DeepSeek's own kind of YaRN whatever it is called."""
    kind = rope_parameters(config).kind
    if kind == "default":
        return config
    name = "rope_parameters" if config.has("rope_parameters") else "rope_scaling"
    own = dict(config.section(name).data) | {"rope_type": "deepseek_yarn"}
    return Config(dict(config.data) | {name: own}, config.path, config.implied_type)


def mla_projections(latent: Latent, shape: Shape, prefix: str = "self_attn.") -> tuple[Module, ...]:
    """The matrices and norms of latent attention; ``kv_b_proj`` is absorbed into queries and outputs after loading."""
    head = latent.nope + latent.rope
    compressed = latent.kv_rank + latent.rope
    if latent.q_rank is not None:
        parts = (Part("q_a_proj", latent.q_rank), Part("kv_a_proj_with_mqa", compressed))
        down: tuple[Module, ...] = (
            Linear(f"{prefix}fused_qkv_a_proj", "attention", parts, shape.hidden, "none"),
            norm(f"{prefix}q_a_layernorm", latent.q_rank, kind="attention"),
            heads(f"{prefix}q_b_proj", shape.heads, head, latent.q_rank),
        )
    else:
        down = (
            replicated(f"{prefix}kv_a_proj_with_mqa", "attention", compressed, shape.hidden),
            heads(f"{prefix}q_proj", shape.heads, head, shape.hidden),
        )
    return (
        *down,
        norm(f"{prefix}kv_a_layernorm", latent.kv_rank, kind="attention"),
        replace(heads(f"{prefix}kv_b_proj", shape.heads, latent.nope + latent.value, latent.kv_rank), absorbed=True),
        row(f"{prefix}o_proj", "attention", shape.hidden, shape.heads * latent.value),
        Attention(1, latent=True),
    )


def heads(name: str, count: int, width: int, cols: int) -> Linear:
    """A column matrix whose heads are divided over ranks."""
    return Linear(name, "attention", (Part("", count, width),), cols)


def has_indexer(config: Config, layer: int) -> bool:
    """Whether a layer has an indexer of its own, or reuses the choice of one below it."""
    pattern = config.raw("index_topk_pattern")
    if pattern is not None and isinstance(pattern[1], str | list | tuple):
        return layer >= len(pattern[1]) or pattern[1][layer] != "S"
    frequency = config.integer("index_topk_freq", default=1)
    offset = config.integer("index_skip_topk_offset", default=2)
    return max(layer - offset + 1, 0) % max(1, frequency) == 0


def indexer(config: Config, shape: Shape) -> tuple[Module, ...]:
    """The indexer of sparse attention, whole on every rank (deepseek_v2.py, Indexer)."""
    latent = read_latent(config)
    count, width = config.integer("index_n_heads"), config.integer("index_head_dim")
    rank = latent.q_rank if latent.q_rank is not None else shape.hidden
    parts = (Part("wk", width), Part("weights_proj", count))
    prefix = "self_attn.indexer."
    modules: tuple[Module, ...] = (
        replicated(f"{prefix}wq_b", "attention", count * width, rank),
        Linear(f"{prefix}wk_weights_proj", "attention", parts, shape.hidden, "none", quantized=False),
        plain(f"{prefix}k_norm", "attention", 2 * width, dtype="float32"),
    )
    if config.flag("indexer_rope_interleave"):
        return modules
    # Its rotary table is laid out in halves, the latent one in pairs: they are not shared.
    return (*modules, replace(rotary(deepseek_rope(config), latent.rope, shape.length), identity="indexer"))
