"""ERNIE 4.5 VL: experts for text beside experts for images on the same layers (ernie45_vl_moe.py)."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.model.built import Built, Request
from vram_engine.model.config import Config, ConfigError
from vram_engine.model.dense import Traits, around, attention
from vram_engine.model.layer_kinds import two_norms
from vram_engine.model.layers import gated_mlp, layers_by_kind, plain, replicated
from vram_engine.model.rotary import rotary
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Block, Experts, Module, RoutedExperts

TRAITS = Traits(qkv_bias=("use_bias",), mlp_bias=("use_bias",), rope="none")
# Its tables are four times as long as the model, for positions of video (mrope.py).
POSITIONS_FACTOR = 4

# Of a layer: whether it is sparse at all, whether text has experts there, whether images have.
Kind = tuple[bool, bool, bool]


def ernie_language(request: Request) -> Built:
    """The language model. Each layer keeps a rotary table of its own, which no other shares.

    A tied head cannot be found on another stage, so such a model cannot be cut into stages.
    """
    config = request.config
    shape = read_shape(config)
    counts, widths = pair(config, "moe_num_experts"), pair(config, "moe_intermediate_size")

    def modules(kind: Kind) -> tuple[Module, ...]:
        block = both_experts(config, shape, kind) if kind[0] else ernie_mlp(config, shape, "mlp")
        return (*attention(config, shape, TRAITS), *block, *two_norms(shape))

    layers = layers_by_kind("model.layers.{}.", shape.layers, lambda layer: kind_of(config, layer, shape), modules)
    table = rotary(config, shape.head_dim, POSITIONS_FACTOR * shape.length)
    tables = (
        Block("model.layers.{}.", (replace(table, identity=f"layer {layer}"),), layers=(layer,))
        for layer in range(shape.layers)
    )
    experts = Experts(counts[0], config.integer("moe_k", default=0), widths[0], shared_width(config), shape.layers)
    blocks = (*layers, *tables, *around(shape, TRAITS, pooling=request.pooling))
    return Built(shape, blocks, experts, pipeline=not shape.tied)


def pair(config: Config, name: str) -> tuple[int, int]:
    """A size for text and one for images."""
    sizes = config.integers(name)
    if len(sizes) != 2:
        raise ConfigError(f"config.json: {config.path}{name} is not a pair, of text and of images")
    return sizes[0], sizes[1]


def kind_of(config: Config, layer: int, shape: Shape) -> Kind:
    """Which experts a layer has: between a first and a last layer, each ``moe_layer_interval``-th."""
    first = pair(config, "moe_layer_start_index")
    last = pair(config, "moe_layer_end_index") if config.has("moe_layer_end_index") else (shape.layers - 1,) * 2
    every = max(1, config.integer("moe_layer_interval", default=1))
    sparse = config.flag("use_moe", default=True) and (layer + 1) % every == 0
    if not (sparse and min(first) <= layer <= max(last)):
        return False, False, False
    return True, first[0] <= layer <= last[0], first[1] <= layer <= last[1]


def both_experts(config: Config, shape: Shape, kind: Kind) -> tuple[Module, ...]:
    """Experts for text and for images, or a plain MLP where one of them has none, and experts both share."""
    counts, widths = pair(config, "moe_num_experts"), pair(config, "moe_intermediate_size")
    modules: list[Module] = [plain("mlp.e_score_correction_bias", "router", 2 * counts[0], dtype="float32")]
    for name, has_experts, count, width in zip(("text", "vision"), kind[1:], counts, widths, strict=True):
        if has_experts:
            modules.append(replicated(f"mlp.{name}_experts_gate", "router", count, shape.hidden, dtype="float32"))
            modules.append(RoutedExperts(f"mlp.{name}_experts", count, width, shape.hidden))
        else:
            modules.extend(ernie_mlp(config, shape, f"mlp.{name}_experts"))
    if width := shared_width(config):
        modules.extend(gated_mlp("mlp.shared_experts", shape.hidden, width, kind="shared_experts"))
    return tuple(modules)


def shared_width(config: Config) -> int:
    """The width of the shared experts together, each as wide as one for text."""
    return config.integer("moe_num_shared_experts", default=0) * pair(config, "moe_intermediate_size")[0]


def ernie_mlp(config: Config, shape: Shape, prefix: str) -> tuple[Module, ...]:
    """The MLP of a layer without experts."""
    return gated_mlp(prefix, shape.hidden, shape.width, bias=config.flag("use_bias"))
