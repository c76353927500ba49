"""Laws: whatever a config holds, sizing answers or refuses, and more tensor parallelism never needs more weights."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vram_engine.model import from_config
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.parallelism import Refusal
from vram_engine.sizing.weights import weights

DATA = Path(__file__).parent.parent / "data"
CONFIGS: list[dict[str, Any]] = [
    *(
        model["config"] | dict.fromkeys(model.get("nulls", ()))
        for model in tomllib.loads((DATA / "weights.toml").read_text())["model"]
    ),
    *(model["config"] for model in json.loads((DATA / "classes.json").read_text())),
]
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.one_of(st.integers(-3, 300), st.text(max_size=3), st.none()), max_size=4),
    st.dictionaries(st.text(max_size=4), st.integers(-3, 300), max_size=3),
)


def places(config: dict[str, Any]) -> list[tuple[str, ...]]:
    """The keys of a config and of its sections."""
    found: list[tuple[str, ...]] = []
    for key, value in config.items():
        found.append((key,))
        if isinstance(value, dict):
            found.extend((key, *below) for below in places(value))
    return found


def with_value(config: dict[str, Any], place: tuple[str, ...], value: object) -> dict[str, Any]:
    """The config with one value replaced."""
    if len(place) == 1:
        return config | {place[0]: value}
    return config | {place[0]: with_value(config[place[0]], place[1:], value)}


@st.composite
def broken_configs(draw: st.DrawFn) -> dict[str, Any]:
    """A config of the table in which one to three values are junk."""
    config = draw(st.sampled_from(CONFIGS))
    for _ in range(draw(st.integers(1, 3))):
        config = with_value(config, draw(st.sampled_from(places(config))), draw(JUNK))
    return config


@QUICK
@given(config=broken_configs(), ranks=st.sampled_from([1, 2, 3, 8]))
def test_broken_configs_never_raise(config: dict[str, Any], ranks: int) -> None:
    """A config with junk in it is sized, refused or unavailable, and nothing else."""
    spec = from_config(config)
    assert isinstance(spec, ModelSpec | Unavailable)
    if isinstance(spec, ModelSpec):
        stages = weights(spec, EngineArgs(tensor_parallel_size=ranks), (9, 0))
        assert isinstance(stages, tuple | Refusal | Unavailable)


@QUICK
@given(config=st.dictionaries(st.text(max_size=12), JUNK, max_size=5))
def test_arbitrary_mappings_never_raise(config: dict[str, Any]) -> None:
    """A mapping that is no config at all is unavailable."""
    assert isinstance(from_config(config), Unavailable)


@QUICK
@given(
    config=st.sampled_from(CONFIGS),
    ranks=st.sampled_from([1, 2, 4]),
    capability=st.sampled_from([(8, 0), (9, 0), (10, 0)]),
)
def test_more_ranks_never_need_more_weights(config: dict[str, Any], ranks: int, capability: tuple[int, int]) -> None:
    """Twice the tensor parallelism leaves each rank no more than before."""
    spec = from_config(config)
    assert isinstance(spec, ModelSpec)
    fewer = weights(spec, EngineArgs(tensor_parallel_size=ranks), capability)
    more = weights(spec, EngineArgs(tensor_parallel_size=2 * ranks), capability)
    if isinstance(fewer, tuple) and isinstance(more, tuple):
        assert sum(stage.bytes for stage in more) <= sum(stage.bytes for stage in fewer)


@QUICK
@given(config=st.sampled_from(CONFIGS), stages=st.sampled_from([2, 3, 4]))
def test_stages_hold_at_least_the_whole(config: dict[str, Any], stages: int) -> None:
    """Pipeline stages together hold all weights of one, and what stands on several of them more than once."""
    spec = from_config(config)
    assert isinstance(spec, ModelSpec)
    whole = weights(spec, EngineArgs(), (9, 0))
    cut = weights(spec, EngineArgs(pipeline_parallel_size=stages), (9, 0))
    if isinstance(whole, tuple) and isinstance(cut, tuple):
        assert len(cut) == stages
        assert sum(stage.bytes for stage in cut) >= whole[0].bytes
