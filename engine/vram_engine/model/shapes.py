"""The sizes almost every decoder has, read once from a config under all their spellings."""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.model.config import Config, ConfigError


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a decoder by vLLM's names. ``length`` is what rotary tables are built for."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    width: int
    vocab: int
    length: int
    tied: bool

    @property
    def attention_width(self) -> int:
        """Columns of the attention output projection."""
        return self.heads * self.head_dim

    @property
    def every_layer(self) -> tuple[int, ...]:
        """The indices of all decoder layers."""
        return tuple(range(self.layers))


def read_shape(config: Config) -> Shape:
    """The shape of a decoder; raises ConfigError where a size is missing or impossible."""
    hidden = config.integer("hidden_size", "n_embd", "d_model")
    heads = config.integer("num_attention_heads", "n_head", "n_heads")
    return Shape(
        hidden=hidden,
        layers=config.layers("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
        heads=heads,
        kv_heads=config.integer("num_key_value_heads", "num_kv_heads", "n_head_kv", default=heads),
        head_dim=head_dim(config, hidden, heads),
        width=config.integer("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", default=4 * hidden),
        vocab=config.integer("vocab_size"),
        length=config.integer("max_position_embeddings", "n_positions", default=8192),
        tied=config.flag("tie_word_embeddings", default=True),
    )


def head_dim(config: Config, hidden: int, heads: int) -> int:
    """``head_dim`` where the config gives one above zero, else the hidden size divided over the heads."""
    given = config.optional_integer("head_dim")
    if given:
        return given
    if heads == 0:
        raise ConfigError(f"config.json gives no attention heads in {config.path}num_attention_heads")
    return hidden // heads
