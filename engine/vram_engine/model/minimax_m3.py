"""MiniMax-M3: attention to chosen blocks of tokens, experts after a few dense layers, and its tower for images.

Follows vllm/models/minimax_m3 (nvidia/model.py, common/vision_tower.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vram_engine.model.built import Built, Request
from vram_engine.model.caches_attention import attention_caches
from vram_engine.model.caches_heads import layer_count, stated_heads
from vram_engine.model.caches_kinds import BlockIndexer, LayerCache
from vram_engine.model.config import Config, ConfigError
from vram_engine.model.dense import Traits
from vram_engine.model.kin import filled
from vram_engine.model.layers import column, ends, gated_mlp, layers_by_kind, norm, qkv, row
from vram_engine.model.moe import MIXTRAL_NAMES, MoeTraits, Router, expert_block, experts_shape, shared_by_count
from vram_engine.model.rotary import rotary
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Attention, Module, Part, Rotary
from vram_engine.model.vision import Blocks, Encoder, encoder_layer, held, loose, patch_area, stack

# The tower's matrices and the language model's, as checkpoints name them and as the model class does.
MINIMAX_M3_RENAMES = (
    ("multi_modal_projector.", "vision_tower.multi_modal_projector."),
    ("patch_merge_mlp.", "vision_tower.patch_merge_mlp."),
)

# What the config class fills in beside single values: three dense layers, then experts and chosen blocks.
DENSE_FIRST = (0,) * 3 + (1,) * 57
SPARSE_ATTENTION: Mapping[str, object] = {
    "sparse_index_dim": 128,
    "sparse_num_index_heads": 4,
    "sparse_attention_freq": DENSE_FIRST,
}
FILLED: Mapping[str, object] = {"moe_layer_freq": DENSE_FIRST, "sparse_attention_config": SPARSE_ATTENTION}
INDEX_HEAD = 128

TRAITS = MoeTraits(
    Traits(),
    count=("num_local_experts",),
    width=("intermediate_size",),
    block="block_sparse_moe",
    parts=MIXTRAL_NAMES,
    router=Router(dtype="float32", correction=("use_routing_bias",)),
    shared="block_sparse_moe.shared_experts",
    shared_width=shared_by_count("n_shared_experts", width="intermediate_size"),
    is_sparse=lambda config, layer: _marked(config, "moe_layer_freq", layer),
)


def minimax_m3(request: Request) -> Built:
    """The decoder; its output head is never tied."""
    config = filled(request.config, FILLED)
    if config.text("hidden_act") != "swigluoai":
        raise ConfigError("vLLM runs MiniMax-M3 with hidden_act swigluoai alone")
    shape = replace(read_shape(config), tied=False)

    def kind(layer: int) -> tuple[bool, bool]:
        return layer in indexed_layers(config, shape.layers), TRAITS.is_sparse(config, layer)

    def modules(kind: tuple[bool, bool]) -> tuple[Module, ...]:
        indexed, sparse = kind
        dense = gated_mlp("mlp", shape.hidden, config.integer("dense_intermediate_size"))
        return (
            *m3_attention(config, shape, indexed=indexed),
            *(expert_block(config, shape, TRAITS) if sparse else dense),
            norm("input_layernorm", shape.hidden),
            norm("post_attention_layernorm", shape.hidden),
        )

    layers = layers_by_kind("model.layers.{}.", shape.layers, kind, modules)
    final = (norm("norm", shape.hidden),)
    blocks = (*layers, *ends("model.", shape.vocab, shape.hidden, tied=False, final=final))
    return Built(shape, blocks, experts_shape(config, shape, TRAITS))


def m3_attention(config: Config, shape: Shape, *, indexed: bool) -> tuple[Module, ...]:
    """Attention of one layer; an ``indexed`` one makes queries and one key more, to choose blocks by.

    Its index queries are divided over ranks and repeated as heads of keys are (MinimaxM3QKVParallelLinearWithIndexer).
    """
    fused = qkv("self_attn.qkv_proj", shape.hidden, shape.heads, shape.kv_heads, shape.head_dim)
    norms = [norm(f"self_attn.{name}_norm", shape.head_dim, kind="attention") for name in ("q", "k")]
    if indexed:
        index = index_dim(config, shape)
        queries = Part("index_q_proj", shape.kv_heads, index, replicable=True)
        fused = replace(fused, parts=(*fused.parts, queries, Part("index_k_proj", 1, index, whole=True)))
        norms += [norm(f"self_attn.index_{name}_norm", index, kind="attention") for name in ("q", "k")]
    unscaled = replace(config, data={**config.data, "rope_parameters": None, "rope_scaling": None})
    return (
        fused,
        row("self_attn.o_proj", "attention", shape.hidden, shape.attention_width),
        *norms,
        Attention(shape.kv_heads),
        rotary(unscaled, shape.head_dim, shape.length),
    )


def index_dim(config: Config, shape: Shape) -> int:
    """Values of an index head, of which there must be as many as heads of keys, as wide as they are."""
    sparse = config.section("sparse_attention_config")
    heads, width = sparse.integer("sparse_num_index_heads"), sparse.integer("sparse_index_dim")
    if heads != shape.kv_heads or not width == shape.head_dim == INDEX_HEAD:
        raise ConfigError(f"vLLM takes as many index heads as KV heads in MiniMax-M3, of {INDEX_HEAD} values each")
    return width


def indexed_layers(config: Config, layers: int) -> frozenset[int]:
    """The layers that attend to chosen blocks (``_sparse_attention_layer_ids``)."""
    marks = config.section("sparse_attention_config").integers("sparse_attention_freq")[:layers]
    return frozenset(layer for layer, mark in enumerate(marks) if mark)


def _marked(config: Config, name: str, layer: int) -> bool:
    marks = config.integers(name)
    if layer >= len(marks):
        raise ConfigError(f"config.json marks {len(marks)} layers in {config.path}{name}, fewer than there are")
    return marks[layer] != 0


def minimax_m3_caches(config: Config) -> tuple[LayerCache, ...]:
    """Keys and values in every layer, and in those that choose blocks an index key beside them."""
    config = filled(config, FILLED)
    layers = layer_count(config)
    every = attention_caches((stated_heads(config),) * layers, (None,) * layers, range(layers))
    indexed = tuple(sorted(indexed_layers(config, layers)))
    width = config.section("sparse_attention_config").integer("sparse_index_dim", default=INDEX_HEAD)
    return (*every, BlockIndexer(indexed, width)) if indexed else every


# ---- The tower


def minimax_m3_tower(config: Config, vision: Config) -> Blocks:
    """CLIP with rotary positions in three directions and no norm at its end, then two projectors of two matrices."""
    hidden, heads = vision.integer("hidden_size"), vision.integer("num_attention_heads")
    compression = vision.section("img_token_compression_config")
    frames = compression.integer("temporal_patch_size", default=2)
    merge = compression.integer("spatial_merge_size", default=2)
    out = config.section("text_config").integer("hidden_size")
    inner = config.integer("projector_hidden_size", default=0) or out
    encoder = Encoder(hidden, heads, vision.integer("intermediate_size"))
    bias = vision.flag("multimodal_projector_bias", default=True)
    merged_bias = vision.flag("patch_merge_bias", default=True)
    frequencies = hidden // max(1, heads) // 2 * 2 // 3 // 2
    return (
        stack(
            "vision_tower.vision_model.encoder.layers.{}.", encoder_layer(encoder), vision.layers("num_hidden_layers")
        ),
        loose(
            "vision_tower.",
            held("vision_model.embeddings.patch_embedding", hidden * patch_area(vision) * frames),
            held("vision_model.pre_layrnorm", 2 * hidden),
            Rotary(3, frequencies, "float32", "vision"),
            column("multi_modal_projector.linear_1", "tower", inner, hidden, bias=bias),
            row("multi_modal_projector.linear_2", "tower", out, inner, bias=bias),
            column("patch_merge_mlp.linear_1", "tower", inner, out * merge * merge, bias=merged_bias),
            row("patch_merge_mlp.linear_2", "tower", out, inner, bias=merged_bias),
        ),
    )
