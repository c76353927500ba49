"""How many heads of which size an attention layer caches, by the way its model class reads the config."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vram_engine.model.config import Config, ConfigError

HeadRule = Callable[[Config], "Heads"]

LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
ATTENTION_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
HIDDEN = ("hidden_size", "n_embd", "d_model")
# The spellings of ModelArchConfigConvertorBase.get_total_num_kv_heads, in its order of preference.
KV_HEADS = ("n_head_kv", "num_kv_heads", "num_key_value_heads", "multi_query_group_num", "num_attention_groups")


class Heads(NamedTuple):
    """What one attention layer caches per token, before tensor parallelism."""

    kv_heads: int
    head_size: int
    head_size_v: int


def attention_heads(config: Config) -> int:
    """Query heads; at least one, as head sizes are divided by it."""
    count = config.integer(*ATTENTION_HEADS)
    if count == 0:
        raise ConfigError("config.json gives no attention heads")
    return count


def derived_heads(config: Config) -> Heads:
    """The head size is the hidden size over the heads, whatever ``head_dim`` says."""
    heads = attention_heads(config)
    size = config.integer(*HIDDEN) // heads
    return Heads(config.integer(*KV_HEADS, default=heads), size, size)


def stated_heads(config: Config) -> Heads:
    """The head size is ``head_dim`` where given (and not zero)."""
    size = config.integer("head_dim", default=0)
    if size == 0:
        return derived_heads(config)
    return Heads(config.integer(*KV_HEADS, default=config.integer(*ATTENTION_HEADS)), size, size)


def every_head(config: Config) -> Heads:
    """No grouping: each query head has keys and values of its own."""
    heads = attention_heads(config)
    size = config.integer(*HIDDEN) // heads
    return Heads(heads, size, size)


def falcon_heads(config: Config) -> Heads:
    """Falcon: one head under ``multi_query``, unless the newer architecture groups them."""
    heads = attention_heads(config)
    size = config.integer(*HIDDEN) // heads
    if config.flag("new_decoder_architecture"):
        return Heads(config.integer("num_kv_heads", "n_head_kv", default=heads), size, size)
    return Heads(1 if config.flag("multi_query", default=True) else heads, size, size)


def multi_query_heads(config: Config) -> Heads:
    """GPT-BigCode: one head under ``multi_query``."""
    heads = every_head(config)
    return heads._replace(kv_heads=1) if config.flag("multi_query", default=True) else heads


def chatglm_heads(config: Config) -> Heads:
    """ChatGLM: groups only where ``multi_query_attention`` is set."""
    heads = every_head(config)
    if not config.flag("multi_query_attention"):
        return heads
    return heads._replace(kv_heads=config.integer("multi_query_group_num"))


def nested_kv_heads(config: Config) -> Heads:
    """DBRX and MPT keep the number of KV heads in ``attn_config``."""
    heads = every_head(config)
    return heads._replace(kv_heads=config.section("attn_config").integer("kv_n_heads", default=heads.kv_heads))


def one_kv_head(config: Config) -> Heads:
    """Step3: all query heads share one head of keys and values."""
    return stated_heads(config)._replace(kv_heads=1)


def latent_as_heads(config: Config) -> Heads:
    """Low-rank attention that is expanded before it is cached: a full key per query head, values padded to it."""
    size = config.integer("qk_nope_head_dim") + config.integer("qk_rope_head_dim")
    return Heads(attention_heads(config), size, size)


def layer_count(config: Config) -> int:
    """Decoder layers."""
    return config.layers(*LAYERS)
