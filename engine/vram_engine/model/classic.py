"""Decoders of the older spellings, whose configs and module names share little: GPT-2, OPT, Falcon, BLOOM and so on."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.model.config import LARGEST_INTEGER, Config, ConfigError
from vram_engine.model.layers import (
    EVERYWHERE,
    ends,
    gated_mlp,
    layers_by_kind,
    merged,
    norm,
    plain,
    plain_mlp,
    qkv,
    replicated,
    row,
)
from vram_engine.model.moe import Router, router
from vram_engine.model.rotary import rotary
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Attention, Block, Experts, Linear, Module, Part, Rotary, RoutedExperts


def fused(name: str) -> tuple[str, str, str]:
    """The checkpoint's names of queries, keys and values that it stores in one matrix already."""
    return (name, name, name)


def gpt2(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """GPT-2: learned positions, biases everywhere (gpt2.py)."""
    shape = read_shape(config)
    layer: tuple[Module, ...] = (
        qkv("attn.c_attn", shape.hidden, shape.heads, shape.heads, shape.head_dim, bias=True, parts=fused("c_attn")),
        row("attn.c_proj", "attention", shape.hidden, shape.hidden, bias=True),
        Attention(shape.heads),
        *plain_mlp("mlp.c_fc", "mlp.c_proj", shape.hidden, shape.width, bias=True),
        norm("ln_1", shape.hidden, bias=True),
        norm("ln_2", shape.hidden, bias=True),
    )
    positions = plain("wpe", "embedding", shape.length * shape.hidden)
    final: tuple[Module, ...] = (positions, norm("ln_f", shape.hidden, bias=True))
    return shape, (
        Block("transformer.h.{}.", layer, layers=shape.every_layer),
        *ends(
            "transformer.", shape.vocab, shape.hidden, tied=shape.tied, final=final, embedding="wte", places=EVERYWHERE
        ),
    )


def opt(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """OPT: learned positions with an offset of two, and embeddings that may be narrower (opt.py)."""
    shape = read_shape(config)
    bias = config.flag("enable_bias", default=True)
    affine = config.flag("layer_norm_elementwise_affine", default=True)
    narrow = config.integer("word_embed_proj_dim", default=shape.hidden)
    norms = (norm("self_attn_layer_norm", shape.hidden, bias=True), norm("final_layer_norm", shape.hidden, bias=True))
    layer: tuple[Module, ...] = (
        qkv("self_attn.qkv_proj", shape.hidden, shape.heads, shape.heads, shape.head_dim, bias=bias),
        row("self_attn.out_proj", "attention", shape.hidden, shape.hidden, bias=bias),
        Attention(shape.heads),
        *plain_mlp("fc1", "fc2", shape.hidden, shape.width, bias=bias),
        *(norms if affine else ()),
    )
    final: list[Module] = [plain("embed_positions", "embedding", (shape.length + 2) * shape.hidden)]
    if config.flag("do_layer_norm_before", default=True) and not config.flag("_remove_final_layer_norm") and affine:
        final.append(norm("final_layer_norm", shape.hidden, bias=True))
    if narrow != shape.hidden:
        final.append(replicated("project_out", "other", narrow, shape.hidden))
        final.append(replicated("project_in", "other", shape.hidden, narrow))
    return shape, (
        Block("model.decoder.layers.{}.", layer, layers=shape.every_layer),
        *ends("model.decoder.", shape.vocab, narrow, tied=shape.tied, final=tuple(final), places=EVERYWHERE),
    )


def falcon(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Falcon: one KV head, or groups of them, and one or two norms beside parallel attention (falcon.py)."""
    shape = read_shape(config)
    grouped = config.flag("new_decoder_architecture")
    parallel = config.flag("parallel_attn", default=True)
    if not grouped:
        shape = replace(shape, kv_heads=1 if config.flag("multi_query", default=True) else shape.heads)
    bias = config.flag("bias")
    norms = config.integer("num_ln_in_parallel_attn", default=2 if grouped else 1) if parallel else 2
    layer: tuple[Module, ...] = (
        qkv(
            "self_attention.query_key_value",
            shape.hidden,
            shape.heads,
            shape.kv_heads,
            shape.head_dim,
            bias=bias,
            parts=fused("query_key_value"),
        ),
        row("self_attention.dense", "attention", shape.hidden, shape.hidden, bias=bias),
        Attention(shape.kv_heads),
        *plain_mlp("mlp.dense_h_to_4h", "mlp.dense_4h_to_h", shape.hidden, 4 * shape.hidden, bias=bias),
        *(norm(f"norm_{number}", shape.hidden, bias=True) for number in range(2 if norms == 2 else 1)),
        *(() if config.flag("alibi") else (rotary(config, shape.head_dim, shape.length),)),
    )
    return shape, (
        Block("transformer.h.{}.", layer, layers=shape.every_layer),
        *ends(
            "transformer.",
            shape.vocab,
            shape.hidden,
            tied=shape.tied,
            final=(norm("ln_f", shape.hidden, bias=True),),
            embedding="word_embeddings",
            places=EVERYWHERE,
        ),
    )


def bloom(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """BLOOM: ALiBi, and a norm after the embedding (bloom.py)."""
    shape = read_shape(config)
    layer: tuple[Module, ...] = (
        qkv(
            "self_attention.query_key_value",
            shape.hidden,
            shape.heads,
            shape.heads,
            shape.hidden // max(1, shape.heads),
            bias=True,
            parts=fused("query_key_value"),
        ),
        row("self_attention.dense", "attention", shape.hidden, shape.hidden, bias=True),
        Attention(shape.heads),
        *plain_mlp("mlp.dense_h_to_4h", "mlp.dense_4h_to_h", shape.hidden, 4 * shape.hidden, bias=True),
        norm("input_layernorm", shape.hidden, bias=True),
        norm("post_attention_layernorm", shape.hidden, bias=True),
    )
    final = (norm("word_embeddings_layernorm", shape.hidden, bias=True), norm("ln_f", shape.hidden, bias=True))
    return shape, (
        Block("transformer.h.{}.", layer, layers=shape.every_layer),
        *ends(
            "transformer.",
            shape.vocab,
            shape.hidden,
            tied=shape.tied,
            final=final,
            embedding="word_embeddings",
            places=EVERYWHERE,
        ),
    )


def gpt_j(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """GPT-J: one norm a layer, biases in the MLP and the head only (gpt_j.py)."""
    shape = replace(read_shape(config), tied=False)
    layer: tuple[Module, ...] = (
        qkv("attn.qkv_proj", shape.hidden, shape.heads, shape.heads, shape.head_dim),
        row("attn.out_proj", "attention", shape.hidden, shape.hidden),
        Attention(shape.heads),
        *plain_mlp("mlp.fc_in", "mlp.fc_out", shape.hidden, shape.width, bias=True),
        norm("ln_1", shape.hidden, bias=True),
        rotary(config, shape.head_dim, shape.length),
    )
    return shape, (
        Block("transformer.h.{}.", layer, layers=shape.every_layer),
        *ends(
            "transformer.",
            shape.vocab,
            shape.hidden,
            tied=False,
            final=(norm("ln_f", shape.hidden, bias=True),),
            embedding="wte",
            head_bias=True,
            places=EVERYWHERE,
        ),
    )


def chatglm(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """ChatGLM 2 and 3 and GLM-4 in their own format (chatglm.py)."""
    hidden, heads = config.integer("hidden_size"), config.integer("num_attention_heads")
    grouped = config.flag("multi_query_attention")
    shape = Shape(
        hidden=hidden,
        layers=config.layers("num_layers", "num_hidden_layers"),
        heads=heads,
        kv_heads=config.integer("multi_query_group_num", default=1) if grouped else heads,
        head_dim=hidden // max(1, heads),
        width=config.integer("ffn_hidden_size"),
        vocab=config.integer("padded_vocab_size", "vocab_size"),
        length=config.integer("seq_length", default=8192),
        tied=config.flag("tie_word_embeddings"),
    )
    bias = config.flag("add_bias_linear")
    norm_bias = not config.flag("rmsnorm", default=True)
    layer: tuple[Module, ...] = (
        qkv(
            "self_attention.query_key_value",
            hidden,
            heads,
            shape.kv_heads,
            shape.head_dim,
            bias=bias or config.flag("add_qkv_bias"),
            parts=fused("query_key_value"),
        ),
        row("self_attention.dense", "attention", hidden, shape.attention_width, bias=bias),
        Attention(shape.kv_heads),
        merged("mlp.dense_h_to_4h", "dense_mlp", (("dense_h_to_4h", shape.width),) * 2, hidden, bias=bias),
        row("mlp.dense_4h_to_h", "dense_mlp", hidden, shape.width, bias=bias),
        norm("input_layernorm", hidden, bias=norm_bias),
        norm("post_attention_layernorm", hidden, bias=norm_bias),
        Rotary(shape.length, shape.head_dim // 2),
    )
    final: tuple[Module, ...] = ()
    if config.flag("post_layer_norm", default=True):
        final = (norm("encoder.final_layernorm", hidden, bias=norm_bias),)
    return shape, (
        Block("transformer.encoder.layers.{}.", layer, layers=shape.every_layer),
        *ends(
            "transformer.",
            shape.vocab,
            hidden,
            tied=shape.tied,
            final=final,
            embedding="embedding",
            head="transformer.output_layer",
            places=EVERYWHERE,
        ),
    )


def dbrx(config: Config) -> tuple[Shape, tuple[Block, ...], Experts]:
    """DBRX: experts in every layer, norms without biases (dbrx.py)."""
    attention, ffn = config.section("attn_config"), config.section("ffn_config")
    hidden, heads = config.integer("d_model"), config.integer("n_heads")
    kv_heads = attention.integer("kv_n_heads", default=heads)
    count, width = ffn.integer("moe_num_experts"), ffn.integer("ffn_hidden_size")
    length = config.integer("max_seq_len")
    shape = Shape(
        hidden,
        config.layers("n_layers"),
        heads,
        kv_heads,
        hidden // max(1, heads),
        width,
        config.integer("vocab_size"),
        length,
        tied=False,
    )
    prefix = "norm_attn_norm."
    layer: tuple[Module, ...] = (
        qkv(f"{prefix}attn.Wqkv", hidden, heads, kv_heads, shape.head_dim, parts=fused("Wqkv")),
        row(f"{prefix}attn.out_proj", "attention", hidden, hidden),
        Attention(kv_heads),
        *router("ffn.", hidden, count, Router("router.layer"), config),
        RoutedExperts("ffn.experts", count, width, hidden, parts=("w1", "v1", "w2")),
        norm(f"{prefix}norm_1", hidden),
        norm(f"{prefix}norm_2", hidden),
        Rotary(length, shape.head_dim),
    )
    experts = Experts(count, ffn.integer("moe_top_k", default=0), width, 0, shape.layers)
    return (
        shape,
        (
            Block("transformer.blocks.{}.", layer, layers=shape.every_layer),
            *ends(
                "transformer.",
                shape.vocab,
                hidden,
                tied=False,
                final=(norm("norm_f", hidden),),
                embedding="wte",
                places=EVERYWHERE,
            ),
        ),
        experts,
    )


def gpt_bigcode(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """GPT-BigCode: one KV head, and an MLP that the transformers backend keeps on every rank."""
    shape = read_shape(config)
    if config.flag("multi_query", default=True):
        shape = replace(shape, kv_heads=1)
    hidden = shape.hidden
    layer: tuple[Module, ...] = (
        qkv("attn.c_attn", hidden, shape.heads, shape.kv_heads, shape.head_dim, bias=True, parts=fused("c_attn")),
        row("attn.c_proj", "attention", hidden, hidden, bias=True),
        Attention(shape.kv_heads),
        replicated("mlp.c_fc", "dense_mlp", shape.width, hidden, bias=True),
        replicated("mlp.c_proj", "dense_mlp", hidden, shape.width, bias=True),
        norm("ln_1", hidden, bias=True),
        norm("ln_2", hidden, bias=True),
    )
    return shape, (
        Block("model.h.{}.", layer, layers=shape.every_layer),
        Block("model.", (plain("wpe", "embedding", shape.length * hidden),), "every"),
        *ends(
            "model.",
            shape.vocab,
            hidden,
            tied=shape.tied,
            final=(norm("ln_f", hidden, bias=True),),
            embedding="wte",
        ),
    )


def deci_lm(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """Models cut out of Llama layer by layer, whose layers may lack attention or MLP (nemotron_nas.py)."""
    shape = replace(read_shape(config), kv_heads=config.integer("num_attention_heads"))
    sections = config.sequence("block_configs")
    if len(sections) != shape.layers:
        raise ConfigError(
            f"config.json: {config.path}block_configs does not describe each of the {shape.layers} layers"
        )
    kinds = [deci_kind(config, shape, section) for section in sections]

    def modules(kind: tuple[int, int]) -> tuple[Module, ...]:
        kv_heads, width = kind
        attention = deci_attention(config, shape, kv_heads) if kv_heads else ()
        mlp = gated_mlp("mlp", shape.hidden, width, bias=config.flag("mlp_bias")) if width else ()
        return (*attention, *mlp, *((norm("post_attention_layernorm", shape.hidden),) if width else ()))

    return replace(shape, kv_heads=max((kv_heads for kv_heads, _ in kinds), default=0)), (
        *layers_by_kind("model.layers.{}.", shape.layers, lambda layer: kinds[layer], modules),
        *ends("model.", shape.vocab, shape.hidden, tied=shape.tied, final=(norm("norm", shape.hidden),)),
    )


def deci_attention(config: Config, shape: Shape, kv_heads: int) -> tuple[Module, ...]:
    """Llama's attention with so many KV heads."""
    bias = config.flag("attention_bias", "bias")
    return (
        qkv("self_attn.qkv_proj", shape.hidden, shape.heads, kv_heads, shape.head_dim, bias=bias),
        row("self_attn.o_proj", "attention", shape.hidden, shape.attention_width, bias=bias),
        Attention(kv_heads),
        norm("input_layernorm", shape.hidden),
        rotary(config, shape.head_dim, shape.length),
    )


def deci_kind(config: Config, shape: Shape, section: object) -> tuple[int, int]:
    """KV heads and MLP width of one layer; 0 where it has none."""
    if not isinstance(section, dict):
        raise ConfigError(f"config.json: {config.path}block_configs holds something that is no layer")
    layer = Config(section, f"{config.path}block_configs.")
    attention, ffn = layer.section("attention"), layer.section("ffn")
    group = 0 if attention.flag("no_op") else attention.integer("n_heads_in_group")
    if attention.flag("replace_with_linear") or ffn.flag("replace_with_linear"):
        raise ConfigError("layers whose attention or MLP is one matrix are not derived")
    kv_heads = shape.heads // group if group else 0
    return kv_heads, 0 if ffn.flag("no_op") else deci_width(ffn, shape.hidden)


def deci_width(ffn: Config, hidden: int) -> int:
    """The MLP's width, from a factor of two thirds of the hidden size rounded up to a multiple of 256."""
    if not ffn.has("ffn_mult"):
        return ffn.integer("intermediate_size")
    width = int(2 * ffn.number("ffn_mult") * hidden / 3)
    if not 0 <= width <= LARGEST_INTEGER:
        raise ConfigError(f"config.json: {ffn.path}ffn_mult is out of range")
    return -(-width // 256) * 256


def minicpm3(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """MiniCPM 3: compressed queries and keys as in DeepSeek, but a plain KV cache (minicpm3.py)."""
    shape = read_shape(config)
    hidden, heads = shape.hidden, shape.heads
    q_rank, kv_rank = config.integer("q_lora_rank"), config.integer("kv_lora_rank")
    nope, rope = config.integer("qk_nope_head_dim"), config.integer("qk_rope_head_dim")
    value = config.integer("v_head_dim", default=hidden // max(1, heads))
    prefix = "self_attn."
    layer: tuple[Module, ...] = (
        replicated(f"{prefix}q_a_proj", "attention", q_rank, hidden),
        norm(f"{prefix}q_a_layernorm", q_rank, kind="attention"),
        Linear(f"{prefix}q_b_proj", "attention", (Part("", heads, nope + rope),), q_rank),
        replicated(f"{prefix}kv_a_proj_with_mqa", "attention", kv_rank + rope, hidden),
        norm(f"{prefix}kv_a_layernorm", kv_rank, kind="attention"),
        Linear(f"{prefix}kv_b_proj", "attention", (Part("", heads, nope + value),), kv_rank),
        row(f"{prefix}o_proj", "attention", hidden, heads * value),
        Attention(heads),
        *gated_mlp("mlp", hidden, shape.width),
        norm("input_layernorm", hidden),
        norm("post_attention_layernorm", hidden),
        rotary(config, rope, shape.length),
    )
    return shape, (
        Block("model.layers.{}.", layer, layers=shape.every_layer),
        *ends("model.", shape.vocab, hidden, tied=shape.tied, final=(norm("norm", hidden),), places=EVERYWHERE),
    )
