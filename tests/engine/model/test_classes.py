"""Small models of many classes against what vLLM's own classes allocate and keep.

``classes.json`` holds, for configs of a few layers, the parameter bytes of each pipeline stage of one rank and the
caches of the layers, as vLLM 0.32.0 makes them when its classes are built without weights. ``splits`` are tensor
parallel size, pipeline parallel size and stages; ``caches`` kind, layers, heads of keys and values, their size, window.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vram_engine.model import from_config
from vram_engine.model.caches_kinds import MLA, BlockIndexer, FullAttention, LayerCache, SlidingWindow
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.weights import allocated_bytes, weights

TABLE = Path(__file__).parent.parent / "data" / "classes.json"
MODELS = {model["name"]: model for model in json.loads(TABLE.read_text())}
HOPPER = (9, 0)


def spec_of(model: dict) -> ModelSpec:
    """The ModelSpec of one entry of the table."""
    spec = from_config(model["config"], pooling=model["pooling"])
    assert isinstance(spec, ModelSpec), spec
    return spec


def described(cache: LayerCache) -> list[object]:
    """A cache as the table puts it."""
    if isinstance(cache, SlidingWindow):
        return ["SlidingWindow", len(cache.layers), cache.kv_heads, cache.head_size, cache.window]
    if isinstance(cache, FullAttention):
        return ["FullAttention", len(cache.layers), cache.kv_heads, cache.head_size]
    if isinstance(cache, MLA | BlockIndexer):
        return ["MLA", len(cache.layers), 1, cache.head_size]
    return ["state", len(cache.layers)]


def test_table_covers_many_classes() -> None:
    """The table holds models of at least 35 architectures."""
    assert len({model["config"]["architectures"][0] for model in MODELS.values()}) >= 35


@pytest.mark.parametrize("name", MODELS)
def test_stage_holds_what_vllm_allocates(name: str) -> None:
    """Each stage of each split has exactly the parameter bytes of vLLM's own modules."""
    model = MODELS[name]
    spec = spec_of(model)
    for tensor, pipeline, expected in model["splits"]:
        args = EngineArgs(tensor_parallel_size=tensor, pipeline_parallel_size=pipeline)
        stages = weights(spec, args, HOPPER)
        assert isinstance(stages, tuple), stages
        assert [allocated_bytes(stage) for stage in stages] == expected, (tensor, pipeline)


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model["caches"]])
def test_layers_keep_what_vllm_keeps(name: str) -> None:
    """Each layer has the cache that vLLM's attention or state layer asks for."""
    model = MODELS[name]
    assert sorted(described(cache) for cache in spec_of(model).caches) == sorted(model["caches"])


def test_a_model_that_generates_is_not_taken_for_one_that_pools() -> None:
    """Qwen2.5-Omni and Ultravox are named like pooling models, and vLLM has them generate."""
    assert spec_of(MODELS["ultravox"]).runner == "generate"


def test_layers_that_share_no_rotary_table() -> None:
    """ERNIE 4.5 VL keeps a table of 8,192 rows of 32 values in 16 bits on each of its four layers."""
    stages = weights(spec_of(MODELS["ernievl"]), EngineArgs(), HOPPER)
    assert isinstance(stages, tuple)
    assert [part.bytes for part in stages[0].parts if part.name == "buffers"] == [4 * 8192 * 32 * 2]
