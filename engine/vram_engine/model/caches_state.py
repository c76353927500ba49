"""Layers that carry a state of fixed size, alone or among attention layers: Mamba and linear attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vram_engine.model.caches_attention import (
    FULL,
    Builder,
    attention_caches,
    stated_types,
    window,
)
from vram_engine.model.caches_heads import (
    Heads,
    attention_heads,
    layer_count,
    stated_heads,
)
from vram_engine.model.caches_kinds import (
    FullAttention,
    GatedDeltaNet,
    KimiDeltaAttention,
    LayerCache,
    LinearAttention,
    Mamba1,
    Mamba2,
    ShortConv,
)
from vram_engine.model.caches_latent import latent
from vram_engine.model.config import Config, ConfigError

ATTENTION_TYPES = frozenset({"attention", FULL})
StateRule = Callable[[Config, tuple[int, ...]], LayerCache]


def _ordered(*caches: LayerCache) -> tuple[LayerCache, ...]:
    """Those that have layers, the one met first in front."""
    return tuple(sorted((cache for cache in caches if cache.layers), key=lambda cache: cache.layers[0]))


def _split(attends: Sequence[bool]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The indices of attention layers and of all others."""
    marked = tuple(enumerate(attends))
    return tuple(layer for layer, yes in marked if yes), tuple(layer for layer, yes in marked if not yes)


def ssm_dtype(config: Config, key: str = "mamba_ssm_cache_dtype", default: str | None = None) -> str | None:
    """The dtype a config asks for its state; ``None`` is the model's own."""
    name = config.text(key, default=default or "auto")
    if name == "auto":
        return None
    if name not in ("float32", "float16", "bfloat16"):
        raise ConfigError(f"config.json: {key} is {name[:40]}, not a dtype")
    return name


def all_states(config: Config, layers: int) -> tuple[str, ...]:
    """``layer_types``, or else no attention at all (Granite 4)."""
    return stated_types(config, layers) or ("linear_attention",) * layers


def mixed(state: StateRule, types: Callable[[Config, int], tuple[str, ...]]) -> Builder:
    """A decoder whose ``layer_types`` say which layers attend; all others keep a state."""

    def build(config: Config) -> tuple[LayerCache, ...]:
        layers = layer_count(config)
        kinds = types(config, layers)
        attending, others = _split([kind in ATTENTION_TYPES for kind in kinds])
        return _ordered(FullAttention(attending, *stated_heads(config)), state(config, others))

    return build


def pure(state: StateRule) -> Builder:
    """A decoder without attention."""

    def build(config: Config) -> tuple[LayerCache, ...]:
        return (state(config, tuple(range(layer_count(config)))),)

    return build


def mamba1(config: Config, layers: tuple[int, ...]) -> LayerCache:
    """Mamba and Falcon-Mamba."""
    size = config.optional_integer("intermediate_size")
    inner = config.integer("expand", default=2) * config.integer("hidden_size") if size is None else size
    return Mamba1(layers, inner, config.integer("state_size", default=16), config.integer("conv_kernel", default=4))


def mamba2(config: Config, layers: tuple[int, ...]) -> LayerCache:
    """Mamba 2 on its own."""
    inner = config.integer("expand", default=2) * config.integer("hidden_size")
    head_dim = config.integer("head_dim", default=64)
    return Mamba2(
        layers,
        inner,
        config.integer("num_heads", default=128),
        head_dim,
        config.integer("n_groups", default=8),
        config.integer("state_size", default=128),
        config.integer("conv_kernel", default=4),
        chunk_size=config.integer("chunk_size", default=256),
    )


def jamba(config: Config) -> tuple[LayerCache, ...]:
    """Jamba: attention once per period, Mamba elsewhere."""
    period = config.integer("attn_layer_period", default=8) or 1
    offset = config.integer("attn_layer_offset", default=4)
    attending, others = _split([layer % period == offset for layer in range(layer_count(config))])
    state = Mamba1(
        others,
        config.integer("mamba_expand", default=2) * config.integer("hidden_size"),
        config.integer("mamba_d_state", default=16),
        config.integer("mamba_d_conv", default=4),
    )
    return _ordered(FullAttention(attending, *stated_heads(config)), state)


def bamba_state(config: Config, layers: tuple[int, ...]) -> LayerCache:
    """Mamba 2 as Bamba, Granite 4 and Falcon-H1 spell it."""
    nulled = "mamba_d_ssm" in config.data and not config.has("mamba_d_ssm")
    inner = None if nulled else config.optional_integer("mamba_d_ssm")
    if inner is None:
        inner = config.integer("mamba_expand", default=2) * config.integer("hidden_size")
    heads = config.integer("mamba_n_heads", default=128)
    stated = config.raw("mamba_d_head")
    size = None if stated is None or stated[1] == "auto" else config.integer("mamba_d_head")
    return Mamba2(
        layers,
        inner,
        heads,
        inner // max(heads, 1) if size is None else size,
        config.integer("mamba_n_groups", default=1),
        config.integer("mamba_d_state", default=256),
        config.integer("mamba_d_conv", default=4),
        chunk_size=config.integer("mamba_chunk_size", "chunk_size", default=256),
    )


def bamba(config: Config) -> tuple[LayerCache, ...]:
    """Bamba lists its attention layers by index."""
    listed = frozenset(config.integers("attn_layer_indices"))
    attending, others = _split([layer in listed for layer in range(layer_count(config))])
    return _ordered(FullAttention(attending, *stated_heads(config)), bamba_state(config, others))


def falcon_h1(config: Config) -> tuple[LayerCache, ...]:
    """Falcon-H1: attention and Mamba 2 side by side in every layer."""
    layers = tuple(range(layer_count(config)))
    return FullAttention(layers, *stated_heads(config)), bamba_state(config, layers)


def nemotron_h(config: Config) -> tuple[LayerCache, ...]:
    """Nemotron-H: a letter or name per layer; MLP and expert layers keep nothing. States are float32 unless told."""
    marks = _nemotron_marks(config)
    attending = tuple(layer for layer, mark in enumerate(marks) if mark in {"*", "attention", FULL})
    scanning = tuple(layer for layer, mark in enumerate(marks) if mark in {"M", "mamba", "linear_attention"})
    inner = config.integer("mamba_num_heads") * config.integer("mamba_head_dim")
    state = Mamba2(
        scanning,
        inner,
        config.integer("mamba_num_heads"),
        config.integer("mamba_head_dim"),
        config.integer("mamba_n_groups", "n_groups", default=8),
        config.integer("ssm_state_size", default=128),
        config.integer("conv_kernel", default=4),
        ssm_dtype(config, default="float32"),
        config.integer("mamba_chunk_size", "chunk_size", default=128),
    )
    attention = attention_caches(
        (stated_heads(config),) * len(attending), (window(config),) * len(attending), attending
    )
    return _ordered(*attention, state)


def _nemotron_marks(config: Config) -> Sequence[str]:
    named = config.texts("layers_block_type", "layer_types")
    if named:
        return named
    marks = config.text("hybrid_override_pattern")
    if not 0 < len(marks) <= 4096:
        raise ConfigError("config.json gives no hybrid_override_pattern")
    return marks


def zamba2(config: Config) -> tuple[LayerCache, ...]:
    """Zamba 2: Mamba 2 in every layer; hybrid layers have attention on the doubled hidden size as well."""
    layers = layer_count(config)
    kinds = config.texts("layers_block_type")
    if not kinds:
        raise ConfigError("config.json gives no layers_block_type")
    hybrid = tuple(layer for layer, kind in enumerate(kinds[:layers]) if kind == "hybrid")
    heads = attention_heads(config)
    size = 2 * config.integer("hidden_size") // heads
    inner = config.integer("mamba_expand", default=2) * config.integer("hidden_size")
    scan_heads = config.integer("n_mamba_heads", default=8)
    state = Mamba2(
        tuple(range(layers)),
        inner,
        scan_heads,
        config.integer("mamba_headdim", default=inner // max(scan_heads, 1)),
        config.integer("mamba_ngroups", default=1),
        config.integer("mamba_d_state", default=64),
        config.integer("mamba_d_conv", default=4),
        chunk_size=config.integer("mamba_chunk_size", "chunk_size", default=256),
    )
    attention = FullAttention(hybrid, heads, size, size)
    return (attention, state) if hybrid else (state,)


def gated_delta(dtype_key: str | None = None) -> StateRule:
    """The state of Qwen3-Next and its kin; some name the dtype of their state."""

    def state(config: Config, layers: tuple[int, ...]) -> LayerCache:
        return GatedDeltaNet(
            layers,
            config.integer("linear_num_key_heads", default=16),
            config.integer("linear_num_value_heads", default=32),
            config.integer("linear_key_head_dim", default=128),
            config.integer("linear_value_head_dim", default=128),
            config.integer("linear_conv_kernel_dim", default=4),
            ssm_dtype(config, dtype_key) if dtype_key else None,
        )

    return state


def olmo_delta(config: Config, layers: tuple[int, ...]) -> LayerCache:
    """OLMo Hybrid: heads as many as attention has, and sizes in proportion, unless its config says otherwise."""
    heads = attention_heads(config)
    keys = config.optional_integer("linear_num_key_heads")
    keys = heads if keys is None else keys
    values = config.optional_integer("linear_num_value_heads")
    size = config.optional_integer("linear_key_head_dim")
    if size is None:
        size = int(0.75 * config.integer("hidden_size") / max(keys, 1))
    size_v = config.optional_integer("linear_value_head_dim")
    return GatedDeltaNet(
        layers,
        keys,
        heads if values is None else values,
        size,
        2 * size if size_v is None else size_v,
        config.integer("linear_conv_kernel_dim", default=4),
    )


def every_fourth(config: Config, layers: int) -> tuple[str, ...]:
    """``layer_types``, or else attention at every ``full_attention_interval``-th layer."""
    stated = stated_types(config, layers)
    if stated is not None:
        return stated
    interval = config.integer("full_attention_interval", default=4) or 1
    return tuple("linear_attention" if (layer + 1) % interval else FULL for layer in range(layers))


def short_conv(config: Config, layers: tuple[int, ...]) -> LayerCache:
    """LFM2's convolution over the hidden channels."""
    return ShortConv(layers, config.integer("conv_dim", "hidden_size"), config.integer("conv_L_cache", default=3))


def short_conv_types(config: Config, layers: int) -> tuple[str, ...]:
    """LFM2's ``layer_types``; in older files the indices of its attention layers, or attention throughout."""
    stated = stated_types(config, layers)
    if stated is not None:
        return stated
    if config.raw("full_attn_idxs") is None:
        return (FULL,) * layers
    attending = frozenset(config.integers("full_attn_idxs"))
    return tuple(FULL if layer in attending else "conv" for layer in range(layers))


def kimi_linear(config: Config) -> tuple[LayerCache, ...]:
    """Kimi Linear: delta attention on the layers ``kda_layers`` counts from one, MLA on the others."""
    layers = layer_count(config)
    linear = config.section("linear_attn_config")
    counted = frozenset(linear.integers("kda_layers"))
    attending, others = _split([layer + 1 not in counted for layer in range(layers)])
    state = KimiDeltaAttention(
        others,
        linear.integer("num_heads", default=0 if not others else None),
        linear.integer("head_dim", default=0 if not others else None),
        linear.integer("short_conv_kernel_size", default=4),
    )
    return _ordered(latent(config, attending), state)


def bailing_linear(config: Config) -> tuple[LayerCache, ...]:
    """Bailing 2.5: lightning attention, with MLA at the end of each group of layers."""
    group = config.integer("layer_group_size", default=1)
    layers = range(layer_count(config))
    attending, others = _split([group == 0 or (layer + 1) % group == 0 for layer in layers])
    heads = attention_heads(config)
    size = config.integer("head_dim", default=config.integer("hidden_size") // heads)
    return _ordered(latent(config, attending), LinearAttention(others, heads, size))


def bailing_delta(config: Config) -> tuple[LayerCache, ...]:
    """Bailing 3: delta attention in whole groups, each ending in MLA; a last incomplete group is MLA throughout."""
    layers = layer_count(config)
    group = config.integer("layer_group_size") or 1
    whole = layers // group * group
    attending, others = _split([(layer + 1) % group == 0 or layer >= whole for layer in range(layers)])
    heads = attention_heads(config)
    state = KimiDeltaAttention(others, heads, config.integer("head_dim"), config.integer("short_conv_kernel_size"))
    return _ordered(latent(config, attending), state)


def minimax_linear(config: Config) -> tuple[LayerCache, ...]:
    """MiniMax-Text-01: ``attn_type_list`` marks softmax attention with 1 and lightning attention with 0."""
    layers = layer_count(config)
    marks = config.integers("attn_type_list")
    if len(marks) < layers:
        raise ConfigError(f"config.json marks {len(marks)} layers in attn_type_list, not {layers}")
    attending, others = _split([mark == 1 for mark in marks[:layers]])
    heads: Heads = stated_heads(config)
    state = LinearAttention(others, attention_heads(config), heads.head_size)
    return _ordered(FullAttention(attending, *heads), state)
