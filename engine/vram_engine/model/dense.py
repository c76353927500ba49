"""Dense decoders: one attention and one MLP a layer, told apart by a few traits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from vram_engine.model.config import Config
from vram_engine.model.layers import (
    EVERYWHERE,
    STAGED,
    Places,
    column,
    ends,
    merged,
    norm,
    plain,
    qkv,
    row,
    sharded,
)
from vram_engine.model.rotary import rotary
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Attention, Block, Module, Parameter, Part

# A bias is there always, never, or where one of these config keys is true.
Bias = bool | tuple[str, ...]
HeadNorms = Literal["none", "head", "heads", "projection", "optional heads", "optional head", "biased head"]


@dataclass(frozen=True, slots=True)
class Names:
    """What a model class calls its modules, relative to a decoder layer or to the model."""

    model: str = "model."
    layers: str = "layers"
    embedding: str = "embed_tokens"
    final: str = "norm"
    head: str = "lm_head"
    attention: str = "self_attn"
    qkv: str = "qkv_proj"
    out: str = "o_proj"
    qkv_parts: tuple[str, str, str] = ("q_proj", "k_proj", "v_proj")
    mlp: str = "mlp"
    up: str = "gate_up_proj"
    up_parts: tuple[str, str] = ("gate_proj", "up_proj")
    down: str = "down_proj"


@dataclass(frozen=True, slots=True)
class Traits:
    """How one dense architecture differs from Llama.

    ``norms`` counts the norms of a layer over the hidden size, ``more_norms`` is a config key that adds two; a model
    without any has none at its end either. ``down_bias`` is where the way down of an MLP differs from ``mlp_bias``.
    ``activation`` counts parameters of the activation. ``places`` are the
    pipeline stages of its tables and final norm. ``derived_head_dim`` ignores a head_dim of the config. ``sinks`` are
    one value per head, ``gate`` is the name of a matrix that gates the attention's output. ``rope`` says which layers
    have a rotary table, of ``rope_dtype`` and for the length under ``length_keys``; one for images and video is
    ``mrope_factor`` times longer.
    """

    qkv_bias: Bias = False
    out_bias: Bias = False
    mlp_bias: Bias = False
    down_bias: Bias | None = None
    head_norms: HeadNorms = "none"
    norms: int = 2
    more_norms: str = ""
    activation: int = 0
    norm_bias: bool = False
    gated: bool = True
    places: Places = STAGED
    derived_head_dim: bool = False
    head: bool = True
    head_bias: bool = False
    sinks: bool = False
    gate: str = ""
    rope: Literal["all", "sliding", "none"] = "all"
    rope_dtype: str | None = None
    mrope_factor: int = 4
    length_keys: tuple[str, ...] = ("max_position_embeddings", "n_positions")
    names: Names = field(default_factory=Names)


LLAMA_NAMES = Names()
FUSED_NAMES = replace(LLAMA_NAMES, qkv_parts=("qkv_proj", "qkv_proj", "qkv_proj"), up_parts=("gate_up_proj",) * 2)
ATTENTION_BIAS = ("attention_bias", "bias")

LLAMA = Traits(qkv_bias=ATTENTION_BIAS, out_bias=ATTENTION_BIAS, mlp_bias=("mlp_bias",))
QWEN3 = Traits(qkv_bias=("attention_bias",), head_norms="head")
GEMMA = Traits(places=EVERYWHERE, head=False)

# vllm/model_executor/models, one line per model class.
TRAITS: Mapping[str, Traits] = {
    "llama": LLAMA,
    "internlm3": replace(LLAMA, qkv_bias=("qkv_bias",)),
    "phi3": replace(LLAMA, names=FUSED_NAMES),
    "qwen2": Traits(qkv_bias=True, head_norms="optional head", derived_head_dim=True),
    "qwen3": QWEN3,
    "qwen3_vl": replace(QWEN3, mrope_factor=1),
    "gemma": Traits(places=EVERYWHERE),
    "gemma2": replace(GEMMA, qkv_bias=("attention_bias",), out_bias=("attention_bias",), norms=4),
    "granite": replace(LLAMA),
    "cohere": replace(
        GEMMA, norms=1, head_norms="optional heads", length_keys=("model_max_length", "max_position_embeddings")
    ),
    "internlm2": Traits(
        places=EVERYWHERE,
        derived_head_dim=True,
        names=Names(
            embedding="tok_embeddings",
            head="output",
            attention="attention",
            qkv="wqkv",
            out="wo",
            qkv_parts=("wqkv", "wqkv", "wqkv"),
            mlp="feed_forward",
            up_parts=("w1", "w3"),
            down="w2",
        ),
    ),
    "stablelm": Traits(qkv_bias=("use_qkv_bias",), norm_bias=True, places=EVERYWHERE, derived_head_dim=True),
    "orion": Traits(norm_bias=True, places=EVERYWHERE, derived_head_dim=True),
    "nemotron": replace(LLAMA, norm_bias=True, gated=False, names=replace(LLAMA_NAMES, up="up_proj")),
    "exaone": replace(
        LLAMA,
        names=Names(
            model="model.",
            layers="h",
            embedding="wte",
            final="ln_f",
            attention="attn.attention",
            out="out_proj",
            up_parts=("c_fc_0", "c_fc_1"),
            down="c_proj",
        ),
    ),
    "exaone4": replace(LLAMA, head_norms="head"),
    "glm4": Traits(qkv_bias=("attention_bias",), norms=4, names=replace(LLAMA_NAMES, up_parts=("gate_up_proj",) * 2)),
    "minicpm": Traits(places=EVERYWHERE, derived_head_dim=True),
    "ernie45": replace(LLAMA, out_bias=False),
    "hyperclovax": replace(LLAMA, more_norms="use_post_norm"),
    "apertus": replace(LLAMA, head_norms="head", gated=False, activation=2, names=replace(LLAMA_NAMES, up="up_proj")),
    "olmo2": Traits(qkv_bias=("attention_bias",), out_bias=("attention_bias",), head_norms="projection", rope="none"),
    # Classes of transformers that vLLM runs through its transformers backend: rotary tables are not kept.
    "arcee": replace(LLAMA, gated=False, rope="none", names=replace(LLAMA_NAMES, up="up_proj")),
    "cwm": replace(LLAMA, rope="none"),
    "glm": Traits(
        qkv_bias=("attention_bias",), rope="none", names=replace(LLAMA_NAMES, up_parts=("gate_up_proj",) * 2)
    ),
    "gpt_neox": Traits(
        qkv_bias=("attention_bias",),
        out_bias=("attention_bias",),
        mlp_bias=True,
        norm_bias=True,
        gated=False,
        rope="none",
        names=Names(
            embedding="embed_in",
            final="final_layer_norm",
            attention="attention",
            qkv="query_key_value",
            out="dense",
            qkv_parts=("query_key_value",) * 3,
            up="dense_h_to_4h",
            down="dense_4h_to_h",
        ),
    ),
    "hunyuan": Traits(qkv_bias=("attention_bias",), out_bias=("attention_bias",), head_norms="head", rope="none"),
    "jais2": replace(LLAMA, norm_bias=True, gated=False, rope="none", names=replace(LLAMA_NAMES, up="up_proj")),
    "olmo": replace(LLAMA, norms=0, rope="none"),
    "phi": Traits(
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        norms=1,
        norm_bias=True,
        gated=False,
        rope="none",
        names=Names(final="final_layernorm", out="dense", up="fc1", down="fc2"),
    ),
    "seed_oss": Traits(
        qkv_bias=("attention_bias",), out_bias=("attention_out_bias",), mlp_bias=("mlp_bias",), rope="none"
    ),
    "smollm3": replace(LLAMA, rope="none"),
    "starcoder2": Traits(
        qkv_bias=("use_bias",),
        out_bias=("use_bias",),
        mlp_bias=("use_bias",),
        norm_bias=True,
        gated=False,
        rope="none",
        names=Names(up="c_fc", down="c_proj"),
    ),
    "vaultgemma": Traits(rope="none"),
    "telechat2": Traits(out_bias=True, down_bias=True, derived_head_dim=True),
    "pangu": Traits(qkv_bias=ATTENTION_BIAS, out_bias=ATTENTION_BIAS, mlp_bias=("mlp_bias",)),
}


def decoder(config: Config, traits: Traits, *, pooling: bool = False) -> tuple[Block, ...]:
    """The blocks of a dense decoder with these traits."""
    shape = dense_shape(config, traits)
    names = traits.names
    layers = Block(f"{names.model}{names.layers}.{{}}.", layer(config, shape, traits), layers=shape.every_layer)
    return (layers, *around(shape, traits, pooling=pooling))


def around(shape: Shape, traits: Traits, *, pooling: bool) -> tuple[Block, ...]:
    """Embedding, final norm and output head by these traits; an architecture without a head of its own is tied."""
    names = traits.names
    return ends(
        names.model,
        shape.vocab,
        shape.hidden,
        tied=shape.tied or not traits.head,
        final=(norm(names.final, shape.hidden, bias=traits.norm_bias),) if traits.norms else (),
        embedding=names.embedding,
        head=names.head,
        head_bias=traits.head_bias,
        pooling=pooling,
        places=traits.places,
    )


def dense_shape(config: Config, traits: Traits) -> Shape:
    """The shape of the config, with the head size the architecture uses."""
    shape = read_shape(config)
    return replace(shape, head_dim=shape.hidden // max(1, shape.heads)) if traits.derived_head_dim else shape


def layer(config: Config, shape: Shape, traits: Traits) -> tuple[Module, ...]:
    """The modules of one decoder layer."""
    count = traits.norms + (2 if traits.more_norms and config.flag(traits.more_norms, default=True) else 0)
    norms = tuple(norm(f"norm_{number}", shape.hidden, bias=traits.norm_bias) for number in range(count))
    activation = (plain("mlp.act_fn", "dense_mlp", traits.activation),) if traits.activation else ()
    return (*attention(config, shape, traits), *mlp(config, shape, traits, traits.names), *activation, *norms)


def attention(config: Config, shape: Shape, traits: Traits) -> tuple[Module, ...]:
    """Queries, keys, values, output, their norms and the rotary table."""
    names = traits.names
    modules: list[Module] = [
        qkv(
            f"{names.attention}.{names.qkv}",
            shape.hidden,
            shape.heads,
            shape.kv_heads,
            shape.head_dim,
            bias=has_bias(config, traits.qkv_bias),
            parts=names.qkv_parts,
        ),
        row(
            f"{names.attention}.{names.out}",
            "attention",
            shape.hidden,
            shape.attention_width,
            bias=has_bias(config, traits.out_bias),
        ),
    ]
    if traits.gate:
        modules.append(column(f"{names.attention}.{traits.gate}", "attention", shape.attention_width, shape.hidden))
    if traits.sinks:
        modules.append(sharded(f"{names.attention}.sinks", "attention", shape.heads))
    modules.extend((*head_norms(config, shape, traits), Attention(shape.kv_heads)))
    if traits.rope != "none":
        length = config.integer(*traits.length_keys, default=8192)
        table = rotary(config, shape.head_dim, length, mrope_factor=traits.mrope_factor)
        modules.append(replace(table, dtype=traits.rope_dtype))
    return tuple(modules)


def head_norms(config: Config, shape: Shape, traits: Traits) -> tuple[Parameter, ...]:
    """Norms of queries and keys: over one head or the whole projection (on every rank), or over each head (divided)."""
    wanted = not traits.head_norms.startswith("optional") or config.flag("use_qk_norm", "qk_norm")
    if traits.head_norms == "none" or not wanted:
        return ()
    prefix = f"{traits.names.attention}."
    if traits.head_norms.endswith("heads"):
        return (
            sharded(f"{prefix}q_norm", "attention", shape.heads, shape.head_dim),
            replace(
                sharded(f"{prefix}k_norm", "attention", shape.kv_heads),
                parts=(Part("", shape.kv_heads, shape.head_dim, replicable=True),),
            ),
        )
    whole = traits.head_norms == "projection"
    vectors = 2 if traits.head_norms == "biased head" else 1
    return (
        plain(f"{prefix}q_norm", "attention", shape.head_dim * (shape.heads if whole else vectors)),
        plain(f"{prefix}k_norm", "attention", shape.head_dim * (shape.kv_heads if whole else vectors)),
    )


def mlp(config: Config, shape: Shape, traits: Traits, names: Names) -> tuple[Module, ...]:
    """The MLP of a layer, gated or not."""
    bias = has_bias(config, traits.mlp_bias)
    down_bias = bias if traits.down_bias is None else has_bias(config, traits.down_bias)
    up = f"{names.mlp}.{names.up}"
    parts = tuple((part, shape.width) for part in names.up_parts)
    first = (
        merged(up, "dense_mlp", parts, shape.hidden, bias=bias)
        if traits.gated
        else column(up, "dense_mlp", shape.width, shape.hidden, bias=bias)
    )
    return (first, row(f"{names.mlp}.{names.down}", "dense_mlp", shape.hidden, shape.width, bias=down_bias))


def has_bias(config: Config, bias: Bias) -> bool:
    """Whether a bias is there, by the config where the architecture leaves it open."""
    return bias if isinstance(bias, bool) else any(config.flag(key) for key in bias)
