"""Attention that caches one latent vector per token: MLA, its sparse form, and the compressed form of DeepSeek V4."""

from __future__ import annotations

from vram_engine.model.caches_attention import (
    attention_caches,
)
from vram_engine.model.caches_heads import (
    attention_heads,
    derived_heads,
    latent_as_heads,
    layer_count,
)
from vram_engine.model.caches_kinds import (
    MLA,
    CompressedIndexer,
    CompressedMLA,
    CompressorState,
    Indexer,
    LayerCache,
    WindowedMLA,
)
from vram_engine.model.config import Config, ConfigError

# vllm/transformers_utils/model_arch_config_convertor.py, is_deepseek_mla: other types expand the latent first.
LATENT_MODEL_TYPES = frozenset(
    {
        "axk1",
        "bailing_hybrid",
        "deepseek_v2",
        "deepseek_v3",
        "deepseek_v32",
        "glm4_moe_lite",
        "glm_moe_dsa",
        "kimi_k2",
        "kimi_linear",
        "longcat_flash",
        "pangu_ultra_moe",
    }
)

# One float32 scale stands for 128 quantized values (Indexer.quant_block_size).
INDEXER_SCALE_BLOCK = 128
INDEXER_SCALE_BYTES = 4

C4 = 4
C128 = 128


def latent(config: Config, layers: tuple[int, ...], *, sparse: bool = False) -> MLA:
    """The MLA cache of ``layers``: the compressed keys and values, and the part of the key that is rotated."""
    rope = config.integer("qk_rope_head_dim")
    nope = config.integer("qk_nope_head_dim", default=0)
    return MLA(layers, config.integer("kv_lora_rank") + rope, nope, rope, sparse)


def deepseek(config: Config) -> tuple[LayerCache, ...]:
    """DeepSeek V2 and its kin: MLA with or without an indexer, or plain heads where the config asks for no latent."""
    layers = layer_count(config)
    head_dims = config.integer("qk_nope_head_dim", default=0) + config.integer("qk_rope_head_dim", default=0)
    if config.model_type == "deepseek" or head_dims == 0:
        return attention_caches((derived_heads(config),) * layers, (None,) * layers, range(layers))
    if not uses_latent(config):
        return attention_caches((latent_as_heads(config),) * layers, (None,) * layers, range(layers))
    if config.has("index_topk"):
        return sparse_latent(config)
    return (latent(config, tuple(range(layers))),)


def all_latent(config: Config) -> tuple[LayerCache, ...]:
    """A class that caches latents whatever its ``model_type`` (Sarvam, openPangu Ultra)."""
    return (latent(config, tuple(range(layer_count(config)))),)


def uses_latent(config: Config) -> bool:
    """Whether vLLM caches the latent itself (``ModelConfig.use_mla``)."""
    nulled = "kv_lora_rank" in config.data and not config.has("kv_lora_rank")
    known = config.model_type in LATENT_MODEL_TYPES
    return known and not nulled and config.flag("is_causal", default=True)


def sparse_latent(config: Config) -> tuple[LayerCache, ...]:
    """DeepSeek sparse attention: every layer keeps latents, layers with an indexer of their own keep its keys too."""
    layers = layer_count(config)
    own = tuple(layer for layer in range(layers) if not _borrows_indexer(config, layer))
    found: list[LayerCache] = [Indexer(own, indexer_bytes(config))] if own else []
    return (*found, latent(config, tuple(range(layers)), sparse=True))


def indexer_bytes(config: Config) -> int:
    """Bytes an indexer keeps per token: 8-bit keys and their scales."""
    size = config.integer("index_head_dim", default=128)
    return size + size // INDEXER_SCALE_BLOCK * INDEXER_SCALE_BYTES


def _borrows_indexer(config: Config, layer: int) -> bool:
    """Whether a layer reads the picks of an earlier one: by pattern letter S, or by frequency and offset."""
    pattern = config.raw("index_topk_pattern")
    if pattern is None:
        offset = config.integer("index_skip_topk_offset", default=2)
        frequency = config.integer("index_topk_freq", default=1) or 1
        return max(layer - offset + 1, 0) % frequency != 0
    letters = pattern[1]
    if not isinstance(letters, str | list | tuple):
        raise ConfigError("config.json: index_topk_pattern is not a list of letters")
    return layer < len(letters) and letters[layer] == "S"


def longcat(config: Config) -> tuple[LayerCache, ...]:
    """LongCat: each layer holds two MLA sublayers."""
    layers = tuple(range(config.layers("num_layers", "num_hidden_layers")))
    if not uses_latent(config):
        raise ConfigError("this LongCat model does not use latent attention")
    return latent(config, layers), latent(config, layers)


def low_rank(config: Config) -> tuple[LayerCache, ...]:
    """MiniCPM3: a low-rank attention that vLLM expands before it caches."""
    layers = layer_count(config)
    return attention_caches((latent_as_heads(config),) * layers, (None,) * layers, range(layers))


def deepseek_v4(config: Config) -> tuple[LayerCache, ...]:
    """DeepSeek V4: a window of latents on every layer; compressed latents and a compressor by ``compress_ratios``."""
    layers = layer_count(config)
    attention_heads(config)
    ratios = config.integers("compress_ratios")[:layers]
    if len(ratios) < layers:
        raise ConfigError(f"config.json gives {len(ratios)} compress_ratios for {layers} layers")
    if not set(ratios) <= {0, 1, C4, C128}:
        raise ConfigError("config.json gives compress_ratios other than 0, 1, 4 and 128")
    head = config.integer("head_dim")
    every: tuple[LayerCache, ...] = (WindowedMLA(tuple(range(layers)), head, config.integer("sliding_window")),)
    quarters = tuple(layer for layer, ratio in enumerate(ratios) if ratio == C4)
    heavy = tuple(layer for layer, ratio in enumerate(ratios) if ratio == C128)
    compressed = [_quarter_caches(config, quarters, head), _heavy_caches(heavy, head)]
    # Layers register their caches in order, so the kind met first comes first.
    compressed.sort(key=lambda caches: caches[0].layers[:1])
    return every + tuple(cache for caches in compressed for cache in caches if cache.layers)


def _quarter_caches(config: Config, layers: tuple[int, ...], head: int) -> tuple[LayerCache, ...]:
    """One entry per four tokens, picked by an indexer; overlapping windows double the compressor's states."""
    index = config.integer("index_head_dim", default=128)
    return (
        CompressedIndexer(layers, indexer_bytes(config), C4),
        CompressorState(layers, 2 * 2 * index, C4),
        CompressedMLA(layers, head, C4),
        CompressorState(layers, 2 * 2 * head, C4),
    )


def _heavy_caches(layers: tuple[int, ...], head: int) -> tuple[LayerCache, ...]:
    """One entry per 128 tokens; keys and scores make the compressor's state."""
    return CompressedMLA(layers, head, C128), CompressorState(layers, 2 * head, C128)
