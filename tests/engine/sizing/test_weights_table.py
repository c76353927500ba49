"""Weights of one model of each class against what vLLM itself allocates."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from vram_engine.model import from_config
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.budget import Term
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.weights import AFTER_LOADING, BUFFERS, allocated_bytes, weights

TABLE = Path(__file__).parent.parent / "data" / "weights.toml"
MODELS = {model["name"]: model for model in tomllib.loads(TABLE.read_text())["model"]}

# How vLLM's own dump of modules calls our kinds.
KINDS = {"experts": "moe_experts", "tower": "encoder", "mamba": "mamba_linear_attn", "router": "other"}


def spec_of(model: dict) -> ModelSpec:
    """The ModelSpec of one entry of the table."""
    config = model["config"] | dict.fromkeys(model.get("nulls", ()))
    spec = from_config(config, pooling=model.get("pooling", False))
    assert isinstance(spec, ModelSpec), spec
    return spec


def stages_of(model: dict, split: dict) -> tuple[Term, ...]:
    """The stages of one entry under one split."""
    args = EngineArgs(tensor_parallel_size=split["tensor"], pipeline_parallel_size=split["pipeline"])
    stages = weights(spec_of(model), args, tuple(model["capability"]))
    assert isinstance(stages, tuple), stages
    return stages


def test_table_covers_the_classes() -> None:
    """The table holds at least 25 models of different architectures."""
    architectures = {model["config"]["architectures"][0] for model in MODELS.values()}
    assert len(MODELS) >= 25
    assert len(architectures) >= 25


@pytest.mark.parametrize("name", MODELS)
def test_stage_holds_what_vllm_allocates(name: str) -> None:
    """Each pipeline stage of each split has exactly the parameter bytes of vLLM's own modules."""
    model = MODELS[name]
    for split in model["splits"]:
        assert [allocated_bytes(stage) for stage in stages_of(model, split)] == split["stages"], split


@pytest.mark.parametrize("name", MODELS)
def test_kinds_divide_a_stage_as_vllm_does(name: str) -> None:
    """The parts of a stage name the same bytes as vLLM's modules of that kind."""
    model = MODELS[name]
    kinds: dict[str, int] = {}
    for part in stages_of(model, model["splits"][0])[0].parts:
        if part.name not in {BUFFERS, AFTER_LOADING}:
            kind = KINDS.get(part.name, part.name)
            kinds[kind] = kinds.get(kind, 0) + part.bytes
    assert {kind: kinds.get(kind) for kind in model["kinds"]} == model["kinds"]


@pytest.mark.parametrize("name", MODELS)
def test_parts_add_up_to_the_stage(name: str) -> None:
    """A stage is the sum of its parts, and each part says why in one line."""
    model = MODELS[name]
    for stage in stages_of(model, model["splits"][0]):
        assert stage.bytes == sum(part.bytes for part in stage.parts)
        assert all(part.because and "\n" not in part.because for part in stage.parts)
