"""Attention with keys and values: how far back each layer looks, and which layers keep a cache of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vram_engine.model.caches_heads import (
    ATTENTION_HEADS,
    HIDDEN,
    HeadRule,
    Heads,
    attention_heads,
    falcon_heads,
    layer_count,
    stated_heads,
)
from vram_engine.model.caches_kinds import ChunkedLocal, CrossAttention, FullAttention, LayerCache, SlidingWindow
from vram_engine.model.config import Config, ConfigError

Builder = Callable[[Config], tuple[LayerCache, ...]]
Pattern = Callable[[Config, int], tuple[str, ...] | None]

SLIDING = "sliding_attention"
FULL = "full_attention"


def window(config: Config) -> int | None:
    """``sliding_window``, where zero means none and so does a null that the file states."""
    if "sliding_window" in config.data and not config.has("sliding_window"):
        return None
    return config.optional_integer("sliding_window") or None


def switched_window(config: Config) -> int | None:
    """``sliding_window`` where ``use_sliding_window`` turns it on (Qwen)."""
    return window(config) if config.flag("use_sliding_window") else None


def stated_types(config: Config, layers: int) -> tuple[str, ...] | None:
    """``layer_types`` if the file gives them."""
    types = config.texts("layer_types")
    if types and len(types) < layers:
        raise ConfigError(f"config.json lists {len(types)} layer_types for {layers} layers")
    return types[:layers] or None


def every_nth_full(keys: tuple[str, ...], default: int) -> Pattern:
    """``layer_types``, or else full attention at every nth layer, n being the first of ``keys``."""

    def pattern(config: Config, layers: int) -> tuple[str, ...] | None:
        stated = stated_types(config, layers)
        if stated is not None:
            return stated
        period = config.integer(*keys, default=default) if keys else default
        if period == 0:
            return None
        return tuple(FULL if (layer + 1) % period == 0 else SLIDING for layer in range(layers))

    return pattern


def every_nth_full_from_first(period: int) -> Pattern:
    """``layer_types``, or else full attention at the first layer and every ``period``-th after it."""

    def pattern(config: Config, layers: int) -> tuple[str, ...] | None:
        stated = stated_types(config, layers)
        default = tuple(SLIDING if layer % period else FULL for layer in range(layers))
        return default if stated is None else stated

    return pattern


def all_full(config: Config, layers: int) -> tuple[str, ...]:
    """``layer_types``, or else full attention throughout."""
    return stated_types(config, layers) or (FULL,) * layers


def cohere2_moe_types(config: Config, layers: int) -> tuple[str, ...]:
    """``layer_types``, or else one period for the leading dense layers and one for the expert layers after them."""
    stated = stated_types(config, layers)
    if stated is not None:
        return stated
    dense = min(config.integer("first_k_dense_replace", default=0), layers)
    leading = config.integer("prefix_dense_sliding_window_pattern", default=1) or 1
    period = config.integer("sliding_window_pattern", default=4) or 1
    return tuple(SLIDING if (layer + 1) % leading else FULL for layer in range(dense)) + tuple(
        SLIDING if (layer + 1) % period else FULL for layer in range(layers - dense)
    )


def after_the_first(config: Config, layers: int) -> tuple[str, ...]:
    """Qwen2 and Qwen3: the layers from ``max_window_layers`` on, when windows are switched on at all.

    vLLM refuses a model that this would split (model_executor/models/qwen2.py, ``Qwen2Model``).
    """
    limit = config.integer("max_window_layers", default=28)
    first = limit if switched_window(config) else layers
    types = stated_types(config, layers) or tuple(SLIDING if layer >= first else FULL for layer in range(layers))
    if len(set(types)) > 1 and limit != layers:
        raise ConfigError(f"vLLM refuses a sliding window on some of the {layers} layers only")
    return types


def layer_windows(types: Sequence[str] | None, layers: int, span: int | None) -> tuple[int | None, ...]:
    """The window of each layer where the model class follows ``layer_types``.

    A model without them applies ``sliding_window`` to all layers (vllm/engine/arg_utils.py, ``create_engine_config``).
    """
    if types is None:
        return (span,) * layers
    return tuple(span if kind == SLIDING else None for kind in types)


def common_windows(types: Sequence[str] | None, layers: int, span: int | None) -> tuple[int | None, ...]:
    """The window of each layer where the model class ignores ``layer_types``: all of them or none."""
    everywhere = types is None or all(kind == SLIDING for kind in types)
    return (span if everywhere else None,) * layers


def attention_caches(
    heads: Sequence[Heads], windows: Sequence[int | None], layers: Sequence[int], *, fixed: bool = False
) -> tuple[LayerCache, ...]:
    """Alike layers collapsed, in the order in which the first of each kind appears."""
    alike: dict[tuple[Heads, int | None], list[int]] = {}
    for head, span, layer in zip(heads, windows, layers, strict=True):
        alike.setdefault((head, span), []).append(layer)
    return tuple(
        FullAttention(tuple(members), *head) if span is None else SlidingWindow(tuple(members), *head, span, fixed)
        for (head, span), members in alike.items()
    )


def uniform(heads: HeadRule = stated_heads, span: Callable[[Config], int | None] = window) -> Builder:
    """A decoder whose layers are all alike, or whose windows follow ``layer_types`` where the file gives them."""
    return interleaved(stated_types, heads, span)


def interleaved(
    pattern: Pattern, heads: HeadRule = stated_heads, span: Callable[[Config], int | None] = window
) -> Builder:
    """A decoder whose layers are full or sliding by ``layer_types`` or the pattern its config class fills in."""

    def build(config: Config) -> tuple[LayerCache, ...]:
        layers = layer_count(config)
        windows = layer_windows(pattern(config, layers), layers, span(config))
        return attention_caches((heads(config),) * layers, windows, range(layers))

    return build


def all_or_none(
    pattern: Pattern, heads: HeadRule = stated_heads, span: Callable[[Config], int | None] = window
) -> Builder:
    """A decoder whose class ignores ``layer_types``: the window holds for all layers or for none."""

    def build(config: Config) -> tuple[LayerCache, ...]:
        layers = layer_count(config)
        windows = common_windows(pattern(config, layers), layers, span(config))
        return attention_caches((heads(config),) * layers, windows, range(layers))

    return build


def wider_window(config: Config) -> int | None:
    """Cohere: the window counts the tokens before the current one, which comes on top."""
    span = window(config)
    return None if span is None else span + 1


def no_window(config: Config) -> int | None:
    """A class that never slides, whatever its config says."""
    del config
    return None


def two_sided_window(config: Config) -> int | None:
    """Gemma 3 and 4 with bidirectional attention: half the window on either side."""
    span = window(config)
    wide = config.raw("use_bidirectional_attention")
    return span if span is None or wide is None or wide[1] not in (True, "all") else span // 2 + 1


def alternating(config: Config) -> tuple[LayerCache, ...]:
    """gpt-oss: every other layer slides, starting with the first, whatever ``layer_types`` says."""
    layers = layer_count(config)
    span = window(config)
    windows = tuple(span if layer % 2 == 0 else None for layer in range(layers))
    return attention_caches((stated_heads(config),) * layers, windows, range(layers))


def exaone_moe(config: Config) -> tuple[LayerCache, ...]:
    """EXAONE MoE: a sliding layer may have a window of its own in ``sliding_windows``."""
    layers = layer_count(config)
    types = every_nth_full(("sliding_window_pattern",), 4)(config, layers) or (FULL,) * layers
    own = config.sequence("sliding_windows")[:layers]
    if own and len(own) < layers:
        raise ConfigError(f"config.json gives {len(own)} sliding_windows for {layers} layers")
    spans = [Config({"sliding_windows": span}).optional_integer("sliding_windows") for span in own]
    windows = [
        None if kind == FULL else span or None
        for kind, span in zip(types, spans or (window(config),) * layers, strict=True)
    ]
    return attention_caches((stated_heads(config),) * layers, windows, range(layers))


def shared_tail(pattern: Pattern) -> Builder:
    """Gemma 3n: the last ``num_kv_shared_layers`` read the cache of an earlier layer and keep none."""

    def build(config: Config) -> tuple[LayerCache, ...]:
        layers = layer_count(config)
        types = pattern(config, layers)
        own = layers - config.integer("num_kv_shared_layers", default=0)
        own = own if own > 0 else layers
        windows = layer_windows(types, layers, window(config))[:own]
        return attention_caches((stated_heads(config),) * own, windows, range(own))

    return build


def gemma4(config: Config) -> tuple[LayerCache, ...]:
    """Gemma 4: global layers have heads of their own size and, with ``attention_k_eq_v``, number; a tail is shared."""
    layers = layer_count(config)
    types = list(every_nth_full((), 6)(config, layers) or ())
    types[-1] = FULL
    own = layers - config.integer("num_kv_shared_layers", default=0)
    own = own if own > 0 else layers
    local = stated_heads(config)
    size = config.integer("global_head_dim", default=512)
    few = config.optional_integer("num_global_key_value_heads") if config.flag("attention_k_eq_v") else None
    wide = Heads(local.kv_heads if few is None else few, size, size)
    windows = layer_windows(types, layers, two_sided_window(config))
    heads = [local if kind == SLIDING else wide for kind in types]
    return attention_caches(heads[:own], windows[:own], range(own))


def mimo_v2(config: Config) -> tuple[LayerCache, ...]:
    """MiMo V2: ``hybrid_layer_pattern`` marks the sliding layers, which have heads of their own."""
    layers = layer_count(config)
    marks = config.integers("hybrid_layer_pattern")
    if len(marks) < layers:
        raise ConfigError(f"config.json marks {len(marks)} layers in hybrid_layer_pattern, not {layers}")
    wide = _asymmetric(config, "num_key_value_heads", "head_dim", "v_head_dim")
    local = _asymmetric(config, "swa_num_key_value_heads", "swa_head_dim", "swa_v_head_dim")
    span = config.integer("sliding_window_size", "sliding_window")
    heads = [local if mark == 1 else wide for mark in marks[:layers]]
    windows = [span if mark == 1 else None for mark in marks[:layers]]
    return attention_caches(heads, windows, range(layers), fixed=True)


def _asymmetric(config: Config, kv_heads: str, keys: str, values: str) -> Heads:
    size = config.integer(keys)
    return Heads(config.integer(kv_heads), size, config.integer(values, default=size))


def llama4(config: Config) -> tuple[LayerCache, ...]:
    """Llama 4: layers with rotary positions attend within chunks, those without attend to everything."""
    layers = layer_count(config)
    marks = config.integers("no_rope_layers")
    interval = config.integer("no_rope_layer_interval", default=4) or layers + 1
    rotary = list(marks[:layers]) if marks else [int((layer + 1) % interval != 0) for layer in range(layers)]
    if len(rotary) < layers:
        raise ConfigError(f"config.json marks {len(rotary)} layers in no_rope_layers, not {layers}")
    chunk = config.integer("attention_chunk_size") if config.has("attention_chunk_size") else _default_chunk(config)
    heads = stated_heads(config)
    chunked = tuple(layer for layer, mark in enumerate(rotary) if mark and chunk)
    whole = tuple(layer for layer, mark in enumerate(rotary) if not (mark and chunk))
    found: list[LayerCache] = []
    if chunked:
        found.append(ChunkedLocal(chunked, heads.kv_heads, heads.head_size, chunk))
    if whole:
        found.append(FullAttention(whole, *heads))
    return tuple(sorted(found, key=lambda cache: cache.layers[0]))


def _default_chunk(config: Config) -> int:
    return 0 if "attention_chunk_size" in config.data else config.integer("attention_chunk_size", default=8192)


def step3p5(config: Config) -> tuple[LayerCache, ...]:
    """Step 3.5: layers of one type may have a number and size of heads of their own."""
    layers = layer_count(config)
    types = stated_types(config, layers)
    heads = stated_heads(config)
    other = config.optional_section("attention_other_setting")
    span = window(config)
    per_layer, windows = [], []
    for layer in range(layers):
        kind = types[layer] if types else (SLIDING if layer % 2 == 0 else FULL)
        differs = other is not None and types is not None and kind == other.text("attention_type")
        per_layer.append(_other_heads(other, heads) if differs and other is not None else heads)
        windows.append(span if kind == SLIDING else None)
    return attention_caches(per_layer, windows, range(layers))


def _other_heads(other: Config, heads: Heads) -> Heads:
    size = other.integer("head_dim", default=heads.head_size)
    return Heads(other.integer("num_attention_groups", default=heads.kv_heads), size, size)


def block_configs(config: Config) -> tuple[LayerCache, ...]:
    """DeciLM: each block says how many query heads share a head of keys and values, or that it has no attention."""
    heads = attention_heads(config)
    size = config.integer("head_dim", default=0) or config.integer(*HIDDEN) // heads
    per_layer, layers = [], []
    for layer, block in enumerate(config.sequence("block_configs")):
        attention = Config(block if isinstance(block, dict) else {}, "block_configs.").section("attention")
        group = attention.optional_integer("n_heads_in_group")
        if attention.flag("no_op") or not group:
            continue
        per_layer.append(Heads(heads // group, size, size))
        layers.append(layer)
    if not layers:
        raise ConfigError("config.json gives no attention in block_configs")
    return attention_caches(per_layer, (None,) * len(layers), layers)


def falcon(config: Config) -> tuple[LayerCache, ...]:
    """Falcon builds its attention without the cache's settings: no window, and the model's own dtype."""
    layers = tuple(range(layer_count(config)))
    return (FullAttention(layers, *falcon_heads(config), native=True),)


def encoder_decoder(config: Config) -> tuple[LayerCache, ...]:
    """Whisper: each decoder layer caches its own tokens and the encoder's output."""
    layers = tuple(range(config.layers("decoder_layers", "num_hidden_layers")))
    heads = config.integer("decoder_attention_heads", *ATTENTION_HEADS)
    if heads == 0:
        raise ConfigError("config.json gives no decoder_attention_heads")
    size = config.integer("d_model", "hidden_size") // heads
    encoder_tokens = config.integer("max_source_positions", default=1500)
    return FullAttention(layers, heads, size, size), CrossAttention(layers, heads, size, encoder_tokens)


def encoder_only(config: Config) -> tuple[LayerCache, ...]:
    """Models that read the whole input at once keep nothing between steps."""
    layer_count(config)
    return ()
