"""DeepSeek-V4: compressed sparse attention, hyper-connections between layers, and a table of experts in the first ones.

Shapes from vllm/models/deepseek_v4 (attention.py, compressor.py, nvidia/model.py).
"""

from __future__ import annotations

import math

from vram_engine.model.config import LARGEST_INTEGER, Config, ConfigError
from vram_engine.model.layers import column, ends, gated_mlp, layers_by_kind, norm, plain, replicated, row
from vram_engine.model.moe import Router, router
from vram_engine.model.rotary import rope_parameters
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Block, Experts, Linear, Module, Parameter, Part, Rotary, RoutedExperts

# The finest compression has an indexer beside it, and folds two windows into one entry.
FINEST = 4
SINK_HEADS = 64


def deepseek_v4(config: Config) -> tuple[Shape, tuple[Block, ...]]:
    """The blocks of DeepSeek-V4's language model."""
    if config.integer("vision_n_layers", default=0):
        raise ConfigError("DeepSeek-V4 with vision is not derived")
    shape = read_shape(config)
    ratios = config.integers("compress_ratios")
    if len(ratios) < shape.layers:
        raise ConfigError(f"config.json: {config.path}compress_ratios does not name each of the {shape.layers} layers")
    hashed = config.integer("num_hash_layers", default=0)

    def kind(layer: int) -> tuple[int, bool]:
        return max(1, ratios[layer]), layer < hashed

    def modules(kind: tuple[int, bool]) -> tuple[Module, ...]:
        ratio, is_hashed = kind
        return (
            *compressed_attention(config, shape, ratio),
            *v4_experts(config, shape.hidden, shape.vocab, is_hashed=is_hashed),
            norm("attn_norm", shape.hidden),
            norm("ffn_norm", shape.hidden),
            *hyper_connections(config, shape.hidden),
        )

    final = (norm("norm", shape.hidden),)
    return shape, (
        *layers_by_kind("model.layers.{}.", shape.layers, kind, modules),
        *ends("model.", shape.vocab, shape.hidden, tied=False, final=final),
        Block("model.", hyper_head(config, shape.hidden), "every"),
    )


def hyper_connections(config: Config, hidden: int) -> tuple[Module, ...]:
    """The mixing of a layer's parallel residual streams, once for attention and once for experts."""
    streams = config.integer("hc_mult")
    mixes = streams * (streams + 2)
    return tuple(
        plain(f"hc_{place}", "other", mixes * streams * hidden + mixes + 3, dtype="float32")
        for place in ("attn", "ffn")
    )


def hyper_head(config: Config, hidden: int) -> tuple[Module, ...]:
    """The mixing of the streams before the output head, which every pipeline stage has."""
    streams = config.integer("hc_mult")
    return (plain("hc_head", "other", streams * streams * hidden + streams + 1, dtype="float32"),)


def compressed_attention(config: Config, shape: Shape, ratio: int) -> tuple[Module, ...]:
    """Attention of one layer, with a compressor where it keeps fewer entries than tokens."""
    heads, head_dim = shape.heads, shape.head_dim
    rank, groups = config.integer("q_lora_rank"), config.integer("o_groups")
    out = groups * config.integer("o_lora_rank")
    sinks = Part("", -(-heads // SINK_HEADS), SINK_HEADS, replicable=True)
    modules: list[Module] = [
        Linear("attn.fused_wqa_wkv", "attention", (Part("wq_a", rank), Part("wkv", head_dim)), shape.hidden, "none"),
        norm("attn.q_norm", rank, kind="attention"),
        Linear("attn.wq_b", "attention", (Part("", heads, head_dim),), rank),
        norm("attn.kv_norm", head_dim, kind="attention"),
        column("attn.wo_a", "attention", out, heads * head_dim // max(1, groups)),
        row("attn.wo_b", "attention", shape.hidden, out),
        Parameter("attn.attn_sink", "attention", (sinks,), split=True, dtype="float32"),
        v4_table(config, shape.length, ratio),
    ]
    if ratio > 1:
        modules += compressor("attn.compressor", shape.hidden, head_dim, ratio)
    if ratio == FINEST:
        modules += v4_indexer(config, shape.hidden, rank)
    return tuple(modules)


def v4_table(config: Config, length: int, ratio: int) -> Rotary:
    """The rotary table, in float32: YaRN is for compressed layers, the others turn by plain positions (rope.py)."""
    dims = config.integer("qk_rope_head_dim")
    rope = rope_parameters(config, "compress")
    if ratio <= 1 or rope.kind == "default":
        return Rotary(length, dims, "float32", "main")
    rows = (rope.original_length or length) * (rope.factor or 1.0)
    if rows > LARGEST_INTEGER:
        raise ConfigError("config.json describes an impossible rope scaling")
    return Rotary(math.ceil(rows), dims, "float32", "compress")


def compressor(prefix: str, hidden: int, head_dim: int, ratio: int) -> tuple[Module, ...]:
    """Folds ``ratio`` tokens into one entry."""
    width = head_dim * (2 if ratio == FINEST else 1)
    return (
        plain(f"{prefix}.ape", "attention", ratio * width, dtype="float32"),
        replicated(f"{prefix}.fused_wkv_wgate", "attention", 2 * width, hidden, quantized=False),
        norm(f"{prefix}.norm", head_dim, kind="attention"),
    )


def v4_indexer(config: Config, hidden: int, rank: int) -> tuple[Module, ...]:
    """Chooses the compressed entries to attend to, on every rank."""
    count, width = config.integer("index_n_heads"), config.integer("index_head_dim")
    return (
        replicated("attn.indexer.wq_b", "attention", count * width, rank),
        replicated("attn.indexer.weights_proj", "attention", count, hidden, quantized=False),
        *compressor("attn.indexer.compressor", hidden, width, FINEST),
    )


def v4_experts(config: Config, hidden: int, vocab: int, *, is_hashed: bool) -> tuple[Module, ...]:
    """Experts of one layer; the first layers look theirs up by token instead of scoring them."""
    count, width = config.integer("n_routed_experts"), config.integer("moe_intermediate_size")
    scored = not is_hashed and config.text("topk_method") == "noaux_tc"
    table = plain("ffn.gate.tid2eid", "router", vocab * config.integer("num_experts_per_tok"), dtype="int32")
    shared = config.integer("n_shared_experts", default=0) * width
    return (
        *router("ffn.", hidden, count, Router(correction=scored), config),
        *((table,) if is_hashed else ()),
        RoutedExperts("ffn.experts", count, width, hidden, parts=("w1", "w3", "w2")),
        *(gated_mlp("ffn.shared_experts", hidden, shared, kind="shared_experts") if shared else ()),
    )


def v4_summary(config: Config, layers: int) -> Experts:
    """The summary of the experts."""
    width = config.integer("moe_intermediate_size")
    return Experts(
        config.integer("n_routed_experts"),
        config.integer("num_experts_per_tok"),
        width,
        config.integer("n_shared_experts", default=0) * width,
        layers,
    )
