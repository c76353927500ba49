"""Rotary position tables: what a config says about rope, and how large a table vLLM keeps for it on the GPU."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vram_engine.model.config import LARGEST_INTEGER, Config, ConfigError
from vram_engine.model.spec import RopeScaling, Rotary

# Spellings of rope types that older checkpoints use (vllm/transformers_utils/config.py, patch_legacy_rope_type).
LEGACY = {"su": "longrope", "mrope": "default"}

# Types whose table has one row per position of the scaled length, from the length before scaling.
SCALED_FROM_ORIGINAL = frozenset({"yarn", "deepseek_yarn", "deepseek_llama_scaling"})


@dataclass(frozen=True, slots=True)
class RopeParameters:
    """One set of rope parameters of a config, with the defaults that transformers fills in."""

    kind: str
    factor: float | None
    original_length: int | None
    partial: float
    theta: float
    multimodal: bool
    alpha: bool


def rope_parameters(config: Config, layer_type: str = "") -> RopeParameters:
    """The rope parameters of ``config`` for layers of ``layer_type``, where they differ by layer type."""
    section = rope_section(config, layer_type)
    kind = section.text("rope_type", "type", default="default")
    kind = LEGACY.get(kind, kind)
    factor = section.number("factor", default=0.0)
    partial = section.number(
        "partial_rotary_factor",
        default=config.number("partial_rotary_factor", "rotary_pct", "rotary_emb_fraction", default=1.0),
    )
    theta = section.number("rope_theta", default=config.number("rope_theta", "rotary_emb_base", default=10000.0))
    return RopeParameters(
        kind,
        factor if factor > 0 else None,
        original_length(config, section),
        partial,
        theta,
        bool(section.sequence("mrope_section")),
        section.has("alpha"),
    )


def rope_section(config: Config, layer_type: str = "") -> Config:
    """The mapping that holds rope parameters: ``rope_parameters`` or the older ``rope_scaling``, nested or not."""
    section = config.section("rope_parameters", "rope_scaling")
    nested = section.data.get(layer_type) if layer_type else None
    return section.section(layer_type) if isinstance(nested, dict) else section


def original_length(config: Config, section: Config) -> int | None:
    """The length before scaling: beside the rope parameters for Phi-3, within them, or the model's own length."""
    beside = config.optional_integer("original_max_position_embeddings")
    if beside is not None:
        return beside
    within = section.optional_integer("original_max_position_embeddings")
    return within if within is not None else config.optional_integer("max_position_embeddings")


def rope_scalings(config: Config) -> tuple[RopeScaling, ...]:
    """Every rope scaling a config declares, one per layer type where they are nested."""
    section = config.section("rope_parameters", "rope_scaling")
    nested = [name for name, value in section.data.items() if isinstance(value, dict)]
    return tuple(_scaling(rope_parameters(config, name)) for name in nested or [""])


def _scaling(rope: RopeParameters) -> RopeScaling:
    return RopeScaling(rope.kind, rope.factor, rope.original_length)


def rotary(config: Config, head_dim: int, positions: int, *, layer_type: str = "", mrope_factor: int = 4) -> Rotary:
    """The table of ``get_rope(head_dim, max_position=positions)`` (vllm/model_executor/layers/rotary_embedding)."""
    rope = rope_parameters(config, layer_type)
    dims = config.optional_integer("rotary_dim") if rope.partial == 1.0 else None
    dims = int(head_dim * rope.partial) if dims is None else dims
    rows, dtype = rotary_rows(rope, positions, mrope_factor)
    return Rotary(rows, dims, dtype, f"{rope.kind} {rope.theta:g} {rope.factor} {layer_type if rope.kind else ''}")


def rotary_rows(rope: RopeParameters, positions: int, mrope_factor: int) -> tuple[int, str | None]:
    """Rows of the table and its dtype (``None``: the model's)."""
    factor = rope.factor or 1.0
    original = rope.original_length or positions
    stretch = mrope_factor if rope.multimodal and rope.kind in {"default", "yarn"} else 1
    rows: float = positions * stretch
    if rope.kind in SCALED_FROM_ORIGINAL:
        rows = original * stretch * factor
    elif rope.kind == "longrope":
        rows = original + positions
    elif rope.kind == "linear":
        rows = positions * factor
    if not 0 <= rows <= LARGEST_INTEGER:
        raise ConfigError("config.json describes an impossible rope scaling")
    return math.ceil(rows), None
